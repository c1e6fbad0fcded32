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

from conformance.record import read
from tests.check.conftest import ENGINE, LEFT_OUT

if TYPE_CHECKING:
    from tests.check.conftest import Implementations

RESULT = '"kind": "case"'
_LIMIT = 60
_SOON = 5


def _ended(pid: int) -> bool:
    """Whether a process has ended, at once or within a few seconds; a zombie has."""
    deadline = time.monotonic() + _SOON
    while _runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _started(folder: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "conformance", *words],
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever started these tests may have signals ignored, as a shell does for what runs behind.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_nothing_behind(
    mine: "Implementations", processes: Callable[[int], dict[int, str]], jobs: str
) -> None:
    """SIGINT ends the run with 130; server, browser, recorder, workers are gone; the record can be read."""
    lanes = ["--lane", "tracker", "--lane", "pair"]  # browsers first, with the server started all the same
    words = ["--tracker", mine.tracker(), *mine.server(), *ENGINE, *lanes, "--jobs", jobs, *LEFT_OUT]
    record = mine.folder / "clickport-run.jsonl"
    process = _started(mine.folder, "check", *words)
    below: dict[int, str] = {}
    try:
        _until(lambda: record.exists() and record.read_text().count(RESULT) > 3, "no case was recorded")
        below = processes(process.pid)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=_LIMIT)
        everything = " ".join(below.values())
        assert "server.py" in everything
        assert "conformance.witness" in everything
        assert "chromium" in everything
    finally:
        below |= processes(process.pid)
        process.kill()
        process.communicate()
        left = {pid: words for pid, words in below.items() if not _ended(pid)}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert process.returncode == 130, errors
    assert "interrupted; what was seen until then is in clickport-run.jsonl" in errors
    assert "Traceback" not in errors
    assert left == {}
    run = read(record)
    assert run.interrupted
    assert len(run.results) > 3


def test_interrupted_selftest_leaves_nothing_behind(
    tmp_path: Path, processes: Callable[[int], dict[int, str]]
) -> None:
    """The signal reaches the command alone, as from a job's supervisor: what runs below it ends, too."""
    process = _started(tmp_path, "selftest", "--only", "reference", TMPDIR=str(tmp_path))
    below: dict[int, str] = {}
    try:
        _until(lambda: any(RESULT in record.read_text() for record in tmp_path.rglob("run.jsonl")), "no case")
        below = processes(process.pid)
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=_LIMIT)
    finally:
        below |= processes(process.pid)
        process.kill()
        process.communicate()
        left = {pid: words for pid, words in below.items() if not _ended(pid)}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert (process.returncode, errors, left) == (130, "interrupted\n", {})
    assert "reference_server clickhouse" in " ".join(below.values())
    assert [place for place in tmp_path.iterdir() if place.name.startswith("clickport-")] == []
