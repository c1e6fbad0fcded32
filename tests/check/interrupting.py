"""Run a command, interrupt it, and find the processes that it leaves; shared by several tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LIMIT = 150
_SOON = 15


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """The end of a command: exit code, standard error, its child processes, and those still running."""

    code: int
    errors: str
    below: str
    left: dict[int, str]


def interrupted(
    folder: Path,
    *words: str,
    at_work: Callable[[], object],
    number: signal.Signals = signal.SIGINT,
    **env: str,
) -> Interrupted:
    """Run ``clickport`` in a folder and, once ``at_work`` is true, send a signal to its own process only.

    Processes that are left are returned in ``left`` and killed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance", *words],
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # The tests may inherit an ignored SIGINT, as background jobs of a shell do.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    below: dict[int, str] = {}
    try:
        _until(at_work)
        below = _below(process.pid)
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=_LIMIT)
    finally:
        below |= _below(process.pid)
        process.kill()
        process.communicate()
        left = {pid: words for pid, words in below.items() if not _ended(pid)}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return Interrupted(code=process.returncode, errors=errors, below=" ".join(below.values()), left=left)


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"the command did not begin its work within {_LIMIT} s"
        time.sleep(0.05)


def _ended(pid: int) -> bool:
    """Return True if a process has ended, or is a zombie, within a few seconds."""
    deadline = time.monotonic() + _SOON
    while _stat(pid)[:1] not in ([], ["Z"]):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _below(parent: int) -> dict[int, str]:
    """Return the command lines of all running descendants of a process, by id."""
    found: dict[int, str] = {}
    for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        if _stat(pid)[1:2] != [str(parent)]:
            continue
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        found |= {pid: line.decode("utf-8", "replace"), **_below(pid)}
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
