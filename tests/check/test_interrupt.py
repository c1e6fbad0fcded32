"""Ctrl-C ends a run at once, leaves no process running, and keeps the record."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.results.record import read
from tests.check.conftest import ENGINE
from tests.check.interrupting import interrupted

if TYPE_CHECKING:
    from tests.check.conftest import Implementations

RESULT = '"kind": "case"'


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_nothing_behind(mine: "Implementations", jobs: str) -> None:
    """SIGINT ends the run with 130; no child process is left, and the record is readable."""
    # The tracker lane runs first; the server is started nevertheless.
    lanes = ["--lane", "tracker", "--lane", "pair"]
    words = ["--tracker", mine.tracker(), *mine.server(), *ENGINE, *lanes, "--jobs", jobs]
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
        name for name in ("server.py", "conformance.recorder", "chromium") if name not in ended.below
    ] == []
    assert "interrupted; the results until then are in clickport-run.jsonl" in ended.errors
    assert "Traceback" not in ended.errors, ended.errors
    run = read(record)
    assert run.interrupted
    assert len(run.results) > 3
    report = json.loads((mine.folder / "report.json").read_text(encoding="utf-8"))
    assert report["conformant"] is not True
    assert len(report["cases"]) > 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_before_the_first_case_tells_nothing_old(
    mine: "Implementations", number: signal.Signals
) -> None:
    """Ctrl-C or a closed terminal: the record of an earlier run is not reported as this one's."""
    record = mine.folder / "clickport-run.jsonl"
    old = '{"kind": "run", "suite": {"version": "0"}, "target": {"server": "OLD"}, "lanes": ["server"], '
    record.write_text(old + '"browsers": [], "options": {}, "started": "2026-01-01"}\n', encoding="utf-8")
    marker = mine.folder / "begun"
    script = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"
    server = f"{shlex.join([sys.executable, '-c', script])} {{port}}"
    words = ["--server-cmd", server, "--lane", "server"]
    ended = interrupted(
        mine.folder, "check", *words, *("--report", "json=report.json"), at_work=marker.exists, number=number
    )
    assert (ended.code, ended.left) == (130, {}), ended.errors
    assert not (mine.folder / "report.json").exists()
    assert "OLD" in record.read_text(encoding="utf-8")


def test_ctrl_c_while_processes_start_prints_no_traceback(mine: "Implementations") -> None:
    """The terminal interrupts them, too, before they can handle it: here, their first module does."""
    (mine.folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if any('exec(eval(sys.stdin' in word for word in sys.orig_argv): os.killpg(0, signal.SIGINT)\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "conformance", "check"),
            "--tracker",
            mine.tracker(),
            *ENGINE,
            "--lane",
            "tracker",
            "--jobs",
            "2",
        ],
        cwd=mine.folder,
        env={**os.environ, "PYTHONPATH": str(mine.folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_interrupted_selftest_leaves_nothing_behind(tmp_path: Path) -> None:
    """A signal to the command's own process only, as from a supervisor, ends its child processes, too."""
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
