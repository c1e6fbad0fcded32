"""Fixtures that run the real command in a temporary folder on small implementations, sound or faulty."""

import fcntl
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.mutants.check_process import CheckProcess

IMPLEMENTATIONS = Path(__file__).parent / "implementations"
_LIMIT, _TIDY = 150, 30
# One engine is enough: these tests are about the command.
ENGINE = ("--browser", "chromium")
# As few drawn examples as meet every property, and little time to shrink them: test_search.py tests both.
FEW = ("--max-examples", "125", "--shrink-seconds", "3")
# Some written cases of each family: ``selftest --quick`` runs all of them on a sound tracker, and none drawn.
SELECTION = (
    *("api-1", "wire-1", "wire-5", "tracker/prop-2-31-*", "tracker/rev-1-cents"),
    *("tracker/deliv-1-keep*", "tracker/deliv-2-href-*"),
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The outcome of a run: exit code, output and, if it wrote one, the JSON report."""

    code: int
    out: str
    err: str
    seconds: float
    folder: Path

    @property
    def text(self) -> str:
        """Return the output of both streams on one line, because the console wraps lines."""
        return " ".join(f"{self.out} {self.err}".split())

    @property
    def report(self) -> dict[str, Any]:
        """Return the JSON report."""
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return report

    @property
    def statuses(self) -> dict[str, str]:
        """Return the status of each case that ran, by id."""
        return {c["id"]: c["status"] for c in self.report["cases"] if c["status"] != "not-run"}

    @property
    def violated(self) -> set[str]:
        """Return the requirements with a failed MUST case."""
        cases = self.report["cases"]
        return {c["requirement"] for c in cases if c["status"] == "fail" and c["level"] == "MUST"}

    def details(self, requirement: str) -> list[str]:
        """Return the details of a requirement's failed cases."""
        cases = self.report["cases"]
        return [c["detail"] for c in cases if c["requirement"] == requirement and c["status"] == "fail"]


@dataclass(frozen=True)
class Implementations:
    """Copies of the small implementations in a folder, unchanged or with one fault."""

    folder: Path

    def tracker(self, *fault: str) -> str:
        """Copy the tracker and return its path; ``fault`` is a text of it and the replacement."""
        return str(self.copy("tracker.js", *fault))

    def server(self, *fault: str) -> list[str]:
        """Return the options for the server and its readback; ``fault`` as for the tracker."""
        return [*self.server_alone(*fault), "--readback-cmd", f"cat {self.folder / 'events.jsonl'}"]

    def server_alone(self, *fault: str) -> list[str]:
        """Return the option for the server, without a readback."""
        events = self.folder / "events.jsonl"
        events.touch()
        script = self.copy("server.py", *fault)
        command = shlex.join([sys.executable, str(script), "{port}", str(events)])
        return ["--server-cmd", command.replace("'{port}'", "{port}")]

    def null_server(self) -> list[str]:
        """Return the options for a server that stores nothing and an empty readback."""
        script = self.copy("null_server.py")
        command = f"{shlex.join([sys.executable, str(script)])} {{port}}"
        return ["--server-cmd", command, "--readback-cmd", "cat /dev/null"]

    def copy(self, name: str, *fault: str) -> Path:
        """Copy a file of the implementations, unchanged or with one fault, and return its path."""
        text = (IMPLEMENTATIONS / name).read_text(encoding="utf-8")
        if fault:
            before, after = fault
            assert text.count(before) == 1, (
                f"{name}: {before!r} occurs {text.count(before)} times, expected once"
            )
            text = text.replace(before, after)
        place = self.folder / name
        place.write_text(text, encoding="utf-8")
        return place


def _run(folder: Path, words: list[str]) -> Ended:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    seconds = time.monotonic() - began
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr, seconds=seconds, folder=folder)


@pytest.fixture
def mine(tmp_path: Path) -> Implementations:
    """Return the small implementations, copied to this test's folder."""
    return Implementations(tmp_path)


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., Ended]:
    """Return a function that runs Python with arguments in this test's folder."""
    return lambda *words: _run(tmp_path, list(words))


@pytest.fixture(scope="session")
def process() -> Iterator[CheckProcess]:
    """Yield a process that runs ``clickport`` commands, because starting one takes longer than most runs."""
    program = (str(Path(__file__).parent / "impatient.py"),)
    with closing(CheckProcess(seconds=_LIMIT, tidy_seconds=_TIDY, program=program)) as process:
        yield process


@pytest.fixture
def command(process: CheckProcess, tmp_path: Path) -> Callable[..., Ended]:
    """Return a function that runs a ``clickport`` command, or ``pytest``, in this test's folder."""
    return lambda *words: _run_in(process, tmp_path, *words)


@pytest.fixture
def check(process: CheckProcess, tmp_path: Path) -> Callable[..., Ended]:
    """Return a function that runs ``clickport check`` in this test's folder, as ``check_in`` does."""
    return lambda *options: check_in(process, tmp_path, *options)


def check_in(process: CheckProcess, folder: Path, *options: str) -> Ended:
    """Run ``clickport check`` in a folder, with few drawn examples and a JSON report."""
    jobs = [] if "--jobs" in options else ["--jobs", "1"]
    drawn = [] if "--max-examples" in options else FEW
    return _run_in(process, folder, "check", "--report", "json=report.json", *ENGINE, *jobs, *drawn, *options)


def _run_in(process: CheckProcess, folder: Path, *words: str) -> Ended:
    began = time.monotonic()
    code, out, err = process.run(words, folder, {})
    return Ended(code=code, out=out, err=err, seconds=time.monotonic() - began, folder=folder)


@pytest.fixture(scope="session")
def good_tracker_run(process: CheckProcess, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return the run of some written and all drawn cases on the sound tracker, with a report of each kind.

    It is run once and shared by all workers of pytest-xdist.
    """
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "good"
    folder.mkdir(exist_ok=True)
    ended = folder / "ended.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            made = _good_tracker_run(process, folder)
            ended.write_text(json.dumps({**asdict(made), "folder": str(folder)}), encoding="utf-8")
    return Ended(**{**json.loads(ended.read_text(encoding="utf-8")), "folder": folder})


def _good_tracker_run(process: CheckProcess, folder: Path) -> Ended:
    kinds = {"junit": "report.xml", "html": "report.html", "md": "report.md"}
    reports = [word for kind, name in kinds.items() for word in ("--report", f"{kind}={name}")]
    selection = [word for pattern in (*SELECTION, "tracker/*-fuzz*") for word in ("--only", pattern)]
    return check_in(process, folder, "--tracker", Implementations(folder).tracker(), *selection, *reports)
