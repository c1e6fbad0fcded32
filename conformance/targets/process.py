"""A target's process: started with a free port, probed until it answers, stopped with all its children."""

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from conformance.protocol.outcomes import TargetUnavailable
from conformance.results.redaction import masked

READY_SECONDS = 30.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0


class Process:
    """A command run in a session of its own, its output kept in a file for the moment that it fails."""

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
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, seconds: float) -> int:
        """Return the exit code once it has ended by itself. Raises TargetUnavailable when it takes longer."""
        try:
            return self._popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            what = shlex.join(self._command)
            raise TargetUnavailable(f"{what} did not end within {seconds:.0f} s.\n{self.tail()}") from error

    def tail(self, lines: int = 15) -> str:
        """The last lines that it printed."""
        text = self._output.read_text(encoding="utf-8", errors="replace") if self._output.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def read_line(self) -> str:
        """Wait for the first line that a process started with ``pipe`` prints. Raises TargetUnavailable."""
        line = self._popen.stdout.readline() if self._popen.stdout else b""
        if not line.endswith(b"\n"):
            raise self._died()
        return line.decode().strip()

    def wait_until_listening(self, port: int) -> None:
        """Return once something accepts connections on ``port``. Raises TargetUnavailable with the output."""
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
        """End the process and its children, and remove what was kept of its output."""
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            if self._popen.poll() is None or signal_ is signal.SIGKILL:
                self._signal(signal_)
            try:
                self._popen.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream:
                stream.close()
        self._output.unlink(missing_ok=True)

    def _signal(self, signal_: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # Nobody of the group may be left.
            os.killpg(self._popen.pid, signal_)

    def _died(self) -> TargetUnavailable:
        code = self._popen.wait()
        return TargetUnavailable(f"{shlex.join(self._command)} ended with exit code {code}.\n{self.tail()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(host: str, port: int, *, seconds: float) -> bool:
    """Whether a connection to ``host:port`` is accepted within ``seconds``."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def require_reachable(url: str, *, seconds: float = 3.0) -> None:
    """Raise TargetUnavailable unless somebody accepts connections at ``url`` (http or https)."""
    try:
        parts = urlsplit(url)
        known = parts.port
    except ValueError as error:
        raise TargetUnavailable(
            f"{masked(url)} is no URL of a server ({error}): write http://host:port"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetUnavailable(f"{masked(url)} is no URL of a server: write http://host:port")
    port = known or (443 if parts.scheme == "https" else 80)
    if not listening(parts.hostname, port, seconds=seconds):
        raise TargetUnavailable(f"nothing answers at {url}: is the server running, and is the port right?")
