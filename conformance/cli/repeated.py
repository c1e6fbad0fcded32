"""Run ``clickport`` commands, one for each JSON line on standard input, with browsers that stay running.

A line is ``{"arguments": […], "folder": path, "environment": {…}}``, with the whole environment. Each is
answered by a line ``{"code": exit code, "out": text, "err": text}``. Ctrl-C or SIGTERM ends a command as
usual, and the process with it.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO

from conformance.browsers import kept_running
from conformance.cli import main
from conformance.cli.execute import INTERRUPTED


def serve(tasks: TextIO, answers: TextIO) -> None:
    """Run the commands of ``tasks`` until the input ends or a command is interrupted."""
    with kept_running():
        for line in tasks:
            task = json.loads(line)
            code, out, err = _run(task["arguments"], task["folder"], task["environment"])
            answers.write(json.dumps({"code": code, "out": out, "err": err}) + "\n")
            answers.flush()
            if code == INTERRUPTED:
                return


def _run(arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> tuple[int, str, str]:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main.main(list(arguments), prog_name="clickport")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except KeyboardInterrupt:
            code = INTERRUPTED
    return code, out.getvalue(), err.getvalue()


def run() -> None:
    """Serve the commands of standard input; exit with 130 after Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Children inherit the descriptors: none of them may write among the answers.
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin, own)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
