"""Processes of targets: started, waited for until they listen, and stopped with all their children."""

import os
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from conformance import processes
from conformance.protocol.outcomes import TargetUnavailable
from conformance.results.redaction import masked

READY_SECONDS = 30.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0


class Process:
    """A command that runs in its own session; its output is kept in a file for messages about failures.

    With ``pipe`` its standard input and output are pipes, and only its standard error is kept. Raises
    TargetUnavailable if it cannot be started.
    """

    def __init__(
        self,
        command: list[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pipe: bool = False,
    ) -> None:
        self._command = command
        self._output = Path(tempfile.mkstemp(prefix="clickport-target-", suffix=".log")[1])
        output = self._output.open("wb")
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            self._output.unlink()
            raise TargetUnavailable(f"could not start {shlex.join(command)}: {error}") from error
        finally:
            output.close()

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while the process is running."""
        return self._popen.poll()

    def wait(self, seconds: float) -> int:
        """Return the exit code once the process ends by itself. Raises TargetUnavailable on timeout."""
        try:
            return self._popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            what = shlex.join(self._command)
            raise TargetUnavailable(f"{what} did not end within {seconds:.0f} s.\n{self.tail()}") from error

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its output."""
        text = self._output.read_text(encoding="utf-8", errors="replace") if self._output.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def read_line(self) -> str:
        """Wait, without a limit, for the next line that a process started with ``pipe`` prints.

        Raises TargetUnavailable if the process ends first.
        """
        line = self._popen.stdout.readline() if self._popen.stdout else b""
        if not line.endswith(b"\n"):
            raise self._died()
        return line.decode().strip()

    def wait_until_listening(self, port: int) -> None:
        """Wait up to 30 s until ``port`` accepts connections.

        Raises TargetUnavailable, with the end of the output, if the process ends or the time is up.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                raise self._died()
            if listening("127.0.0.1", port, seconds=1):
                return
            time.sleep(_POLL_SECONDS)
        raise TargetUnavailable(
            f"{shlex.join(self._command)} did not listen on port {port} within {READY_SECONDS:.0f} s.\n"
            f"{self.tail()}"
        )

    def stop(self) -> None:
        """Stop the process and its children, and delete its output.

        Its process group gets SIGTERM, 10 s to end, and then SIGKILL.
        """
        for end in (processes.terminate, processes.kill):
            if self._popen.poll() is None or end is processes.kill:
                end(self._popen)
            try:
                self._popen.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream:
                stream.close()
        self._output.unlink(missing_ok=True)

    def _died(self) -> TargetUnavailable:
        code = self._popen.wait()
        return TargetUnavailable(f"{shlex.join(self._command)} ended with exit code {code}.\n{self.tail()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """Return a port of the loopback interface that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(host: str, port: int, *, seconds: float) -> bool:
    """Return True if ``host:port`` accepts a connection within ``seconds``."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def require_reachable(url: str, *, seconds: float = 3.0) -> None:
    """Raise TargetUnavailable unless the host and port of ``url`` (http or https) accept a connection."""
    try:
        parts = urlsplit(url)
        known = parts.port
    except ValueError as error:
        raise TargetUnavailable(
            f"{masked(url)} is not a valid URL ({error}): write http://host:port"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetUnavailable(f"{masked(url)} is not a valid URL: write http://host:port")
    port = known or (443 if parts.scheme == "https" else 80)
    if not listening(parts.hostname, port, seconds=seconds):
        raise TargetUnavailable(f"nothing answers at {url}: is the server running, and is the port right?")
