"""A process that runs ``clickport`` commands one after the other, with browsers that stay running."""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOOK_SECONDS = 0.2


class CheckProcess:
    """A process of ``conformance.cli.repeated``, which is started when it is needed and if it has ended.

    A command may take ``seconds``. To be ended it has ``tidy_seconds``. ``program`` is what Python runs.
    """

    def __init__(
        self,
        *,
        seconds: float,
        tidy_seconds: float,
        program: Sequence[str] = ("-m", "conformance.cli.repeated"),
    ) -> None:
        self._program = program
        self._seconds = seconds
        self._tidy_seconds = tidy_seconds
        self._popen: subprocess.Popen[str] | None = None

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stop: threading.Event | None = None,
    ) -> tuple[int, str, str]:
        """Run a command in a folder; return its exit code, output and error output.

        ``environment`` is added to that of this process. If ``stop`` is set, the process is ended, and the
        code is that of an interrupted command. Raises ValueError if the time is up or the process dies.
        """
        stop = stop or threading.Event()
        process = self._started()
        task = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": {**os.environ, **environment},
        }
        assert process.stdin
        with suppress(BrokenPipeError):  # The process has ended: reading its answer reports that.
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        line = self._answer(process, stop)
        if not line:
            code = self._end()
            if stop.is_set():
                return code, "", "interrupted"
            raise ValueError(f"the process of the checks ended with exit code {code}")
        answer = json.loads(line)
        return answer["code"], answer["out"], answer["err"]

    def close(self) -> None:
        """End the process."""
        if self._popen:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        if self._popen is None:
            self._popen = subprocess.Popen(
                [sys.executable, *self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._popen

    def _answer(self, process: subprocess.Popen[str], stop: threading.Event) -> str:
        """Return the line of the answer, or "" if the process ended. Raises ValueError after the limit."""
        assert process.stdout
        deadline = time.monotonic() + self._seconds
        while not stop.is_set():
            # An answer is one line, and each is read before the next request.
            if select.select([process.stdout], [], [], _LOOK_SECONDS)[0]:
                return process.stdout.readline()
            if time.monotonic() > deadline:
                self._end()
                raise ValueError(f"the run did not end within {self._seconds:g} s")
        return ""

    def _end(self) -> int:
        """End the process, which cleans up, and return its exit code."""
        process, self._popen = self._popen, None
        if process is None:
            return 0
        process.terminate()
        try:
            code = process.wait(self._tidy_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        return code
