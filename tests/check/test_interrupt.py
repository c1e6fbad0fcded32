"""Ctrl-C ends a run at once: nothing is left running, and what was seen stays on record."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.record import read
from tests.check.conftest import ENGINE, LEFT_OUT
from tests.check.interrupting import interrupted

if TYPE_CHECKING:
    from tests.check.conftest import Implementations

RESULT = '"kind": "case"'


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_nothing_behind(mine: "Implementations", jobs: str) -> None:
    """SIGINT ends the run with 130; server, browser, recorder, workers are gone; the record can be read."""
    lanes = ["--lane", "tracker", "--lane", "pair"]  # browsers first, with the server started all the same
    words = ["--tracker", mine.tracker(), *mine.server(), *ENGINE, *lanes, "--jobs", jobs, *LEFT_OUT]
    record = mine.folder / "clickport-run.jsonl"
    ended = interrupted(
        mine.folder,
        "check",
        *words,
        *("--report", "json=report.json"),
        at_work=lambda: record.exists() and record.read_text().count(RESULT) > 3,
    )
    assert (ended.code, ended.left) == (130, {}), ended.errors
    assert [
        name for name in ("server.py", "conformance.witness", "chromium") if name not in ended.below
    ] == []
    assert "interrupted; what was seen until then is in clickport-run.jsonl" in ended.errors
    assert "Traceback" not in ended.errors
    run = read(record)
    assert run.interrupted
    assert len(run.results) > 3
    report = json.loads((mine.folder / "report.json").read_text(encoding="utf-8"))
    assert report["conformant"] is not True
    assert len(report["cases"]) > 3


def test_interrupted_selftest_leaves_nothing_behind(tmp_path: Path) -> None:
    """The signal reaches the command alone, as from a job's supervisor: what runs below it ends, too."""
    ended = interrupted(
        tmp_path,
        "selftest",
        "--only",
        "reference",
        at_work=lambda: any(
            RESULT in record.read_text() for record in tmp_path.glob("clickport-selftest-*/*/run.jsonl")
        ),
        number=signal.SIGTERM,
        TMPDIR=str(tmp_path),
    )
    assert (ended.code, ended.errors, ended.left) == (130, "interrupted\n", {})
    assert "reference_server clickhouse" in ended.below
    assert [place for place in tmp_path.iterdir() if place.name.startswith("clickport-")] == []
