"""A command that is interrupted at work, and what is left of it: shared by tests of several commands."""

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
    """How a command ended: exit code, standard error, what ran below it, and what still runs."""

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
    """Run ``clickport`` in a folder; once ``at_work`` holds, send a signal to its own process alone.

    What is left is told, and killed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance", *words],
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever started these tests may have signals ignored, as a shell does for what runs behind.
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
        assert time.monotonic() < deadline, "the command did not get to work"
        time.sleep(0.05)


def _ended(pid: int) -> bool:
    """Whether a process has ended, at once or within a few seconds; a zombie has."""
    deadline = time.monotonic() + _SOON
    while _stat(pid)[:1] not in ([], ["Z"]):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _below(parent: int) -> dict[int, str]:
    """The living processes below a process: command line by id."""
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
    """State and parent of a process, and what else /proc tells; nothing when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
