"""The process that is the embedded ClickHouse: a script that ``local.py`` runs on a run and a data folder.

Standard input is the lifeline: its other end is held by the parent and closes with it, however it dies.
"""

import importlib
import os
import select
import shutil
import signal
import sys
import threading

LIFELINE = 0

# Starts the server, tells its port, and reads the lifeline, which never says anything.
_SCRIPT = """
SYSTEM START LISTEN HTTP;
SELECT getServerPort('http_port') INTO OUTFILE 'port' TRUNCATE FORMAT TSV;
SELECT count() FROM file('/proc/self/fd/0', 'LineAsString', 'line String')
"""


def main(run: str, data: str) -> None:
    """Serve ``data`` over HTTP until a SIGTERM or the end of the lifeline."""
    # Before chdir: the import opens an engine of its own for a moment, which reads any config.xml it finds.
    _chdb = importlib.import_module("chdb._chdb")

    os.chdir(run)
    threading.Thread(target=_end_with_parent, args=(run,), daemon=True).start()
    _chdb.query(_SCRIPT, "TabSeparated", path=data)


def _end_with_parent(run: str) -> None:
    # The last SELECT ends with the lifeline, too, but its server then takes seconds to let go of clients.
    lifeline = select.poll()
    lifeline.register(LIFELINE, 0)  # A hang-up is reported without being asked for.
    lifeline.poll()
    shutil.rmtree(run, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(*sys.argv[1:])
