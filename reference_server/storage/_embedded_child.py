"""The process of the embedded ClickHouse: a script that ``embedded.py`` runs on a run and a data folder.

Standard input serves as a lifeline: its other end is held by the parent and closes when the parent ends in
any way.
"""

import importlib
import os
import select
import shutil
import signal
import sys
import threading

LIFELINE = 0

# Starts the server, reports its port, and then reads the lifeline, which never sends anything.
_SCRIPT = """
SYSTEM START LISTEN HTTP;{more}
SELECT getServerPort('http_port') INTO OUTFILE 'port' TRUNCATE FORMAT TSV;
SELECT count() FROM file('/proc/self/fd/0', 'LineAsString', 'line String')
"""


def main(run: str, data: str, more: str = "") -> None:
    """Serve ``data`` over HTTP until SIGTERM or until the lifeline closes, after ``more`` statements."""
    # Import before chdir: the import briefly opens an engine, which reads any config.xml in the folder.
    _chdb = importlib.import_module("chdb._chdb")

    os.chdir(run)
    end = threading.Thread(target=_end_with_parent, args=(run,), daemon=True)
    end.start()
    _chdb.query(_SCRIPT.replace("{more}", more), "TabSeparated", path=data)
    # Without clients the server may end before the thread has removed the folder. If the start failed, the
    # lifeline is open.
    if _lifeline().poll(0):
        end.join()


def _end_with_parent(run: str) -> None:
    # The last SELECT would end with the lifeline as well, but the server then takes seconds to drop its
    # clients.
    _lifeline().poll()
    shutil.rmtree(run, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _lifeline() -> select.poll:
    lifeline = select.poll()
    lifeline.register(LIFELINE, 0)  # A hang-up is always reported.
    return lifeline


if __name__ == "__main__":
    main(*sys.argv[1:])
