"""Ctrl-C ends a run at once: nothing is left running, and what was seen stays on record."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Implementations

from conformance.record import read

_LIMIT = 30


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie waits for whoever adopted it, and runs no more


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_nothing_behind(
    mine: "Implementations", processes: Callable[[int], dict[int, str]], jobs: str
) -> None:
    """SIGINT ends the run with 130; server, browser, recorder, workers are gone; the record can be read."""
    words = ["--tracker", mine.tracker(), *mine.server(), "--jobs", jobs]
    record = mine.folder / "clickport-run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "conformance", "check", *words],
        cwd=mine.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _until(
            lambda: record.exists() and record.read_text().count('"kind": "case"') > 12,
            "no case was recorded",
        )
        below = processes(process.pid)
        everything = " ".join(below.values())
        assert "server.py" in everything
        assert "conformance.witness" in everything
        assert "chromium" in everything
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=_LIMIT)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, errors
    assert "interrupted; what was seen until then is in clickport-run.jsonl" in errors
    assert "Traceback" not in errors
    _until(lambda: not any(map(_alive, below)), f"still running: {below}")
    run = read(record)
    assert run.interrupted
    assert len(run.results) > 12
