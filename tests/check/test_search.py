"""Counterexamples of drawn cases: found, shrunk, named, kept, and handled like any other failure."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.mutants.check_process import CheckProcess
from tests.check.conftest import ENGINE, Implementations, check_in

if TYPE_CHECKING:
    from tests.check.conftest import Ended

    Run = Callable[..., Ended]

DRAWN = ("--only", "tracker/prop-3-fuzz", "--max-examples", "80")
CUT_LATE = ("0, 2000", "0, 2001")
FIND = "PROP-3#"


@pytest.fixture(scope="module")
def found(process: CheckProcess, tmp_path_factory: pytest.TempPathFactory) -> "Ended":
    """Return a run that finds the fault; its folder has the tracker and all that the run has written."""
    folder = tmp_path_factory.mktemp("found")
    tracker = Implementations(folder).tracker(*CUT_LATE)
    return check_in(process, folder, "--tracker", tracker, *DRAWN, "--seed", "0")


@pytest.fixture
def after(found: "Ended", tmp_path: Path) -> str:
    """Copy the folder of that run to this test's folder; return the id of the counterexample."""
    shutil.copytree(found.folder, tmp_path, dirs_exist_ok=True)
    return _find(found)


def test_a_fault_is_found_and_shrunk_to_a_vector(found: "Ended") -> None:
    """A limit that is one too high is found without a vector, and shrunk to the smallest call."""
    [case] = [c for c in found.report["cases"] if c["status"] == "fail"]
    assert found.code == 1, found.text
    assert case["counterexample"].startswith(FIND)
    assert "'x'.repeat(2001)" in case["sent"]
    assert len(case["sent"]) < 100
    assert f"FAIL tracker/prop-3-fuzz {case['counterexample']} MUST" in found.text


def test_a_find_is_the_same_from_every_seed(found: "Ended", check: "Run", mine: Implementations) -> None:
    """The id of a counterexample depends only on its call, not on the seed or the first example."""
    other = check("--tracker", mine.tracker(*CUT_LATE), *DRAWN, "--seed", "3")
    assert _find(other) == _find(found)


def test_without_time_to_shrink_a_find_is_shown_as_it_was_drawn(check: "Run", mine: Implementations) -> None:
    """With --shrink-seconds 0, the first example is reported, with the reason why it is not shrunk."""
    ended = check("--tracker", mine.tracker(*CUT_LATE), *DRAWN, "--shrink-seconds", "0")
    assert ended.code == 1, ended.text
    [detail] = ended.details("PROP-3")
    assert "not shrunk, for --shrink-seconds are used up" in detail


def test_drawing_can_be_switched_off(check: "Run", mine: Implementations) -> None:
    """With --max-examples 0, nothing is drawn, and a MUST is verified by its written cases."""
    ended = check("--tracker", mine.tracker(), "--only", "prop-2", "--max-examples", "0")
    assert ended.code == 0, ended.text
    assert "tracker/prop-2-fuzz" not in ended.statuses
    [row] = [r for r in ended.report["requirements"] if r["id"] == "PROP-2"]
    assert (row["status"], row.get("selected")) == ("pass", None)
    assert not (ended.folder / ".hypothesis").exists()


def test_a_find_is_tried_first_and_may_be_known(
    after: str, check: "Run", command: "Run", mine: Implementations
) -> None:
    """A counterexample is tried first in the next run; its baseline entry is stale once it is fixed."""
    broken = ("--tracker", mine.tracker(*CUT_LATE), *DRAWN[:2], "--max-examples", "1")
    again = check(*broken)
    assert (again.code, _find(again)) == (1, after)
    written = command("baseline", "write", "known.toml", "--issue", "https://bugs.example/1")
    assert written.code == 0, written.text
    known = check(*broken, "--baseline", "known.toml")
    assert (known.code, known.report["conformant"]) == (0, False), known.text
    mended = check("--tracker", mine.tracker(), *DRAWN, "--baseline", "known.toml")
    assert mended.code == 1, mended.text
    assert f"{after} passes: remove its entry from the baseline" in mended.text


def test_a_find_becomes_a_vector(after: str, command: "Run") -> None:
    """`fuzz promote` writes a vector with the call and the values that the requirement expects."""
    done = command(
        *("fuzz", "promote", after),
        *("--why", "A late cut.", "--slug", "late-cut", "--into", "mine.json"),
    )
    assert done.code == 0, done.text
    [vector] = json.loads((done.folder / "mine.json").read_text(encoding="utf-8"))["vectors"]
    assert (vector["id"], vector["requirement"], vector["lanes"]) == (
        "prop-3-late-cut",
        "PROP-3",
        ["tracker", "pair"],
    )
    assert vector["payload"]["mv"] == ["x" * 2000]


def test_a_search_takes_its_time_and_no_more(command: "Run", mine: Implementations) -> None:
    """`fuzz TARGET --for` finds nothing in a sound tracker, and reports the number of examples."""
    # Nearly every batch has examples that apply to PROP-1, even on a slow machine.
    search = ("--for", "3s", "--only", "tracker/prop-1-fuzz", *ENGINE)
    ended = command("fuzz", mine.tracker(), *search)
    assert "tracker chromium:" in ended.text
    assert "examples" in ended.text
    assert ended.code == 0, ended.text
    assert "conformant in what was selected: 1 of" in ended.text


def test_an_unknown_find_is_a_usage_error(command: "Run", mine: Implementations) -> None:
    """An unknown counterexample cannot be promoted: exit code 2, and the known ids."""
    (mine.folder / "finds.jsonl").touch()
    done = command(
        *("fuzz", "promote", "PROP-3#0000", "--why", "x"),
        *("--counterexamples", "finds.jsonl"),
    )
    assert (done.code, "'PROP-3#0000' is not in finds.jsonl" in done.text) == (2, True), done.text


def _find(ended: "Ended") -> str:
    [find] = [c["counterexample"] for c in ended.report["cases"] if c.get("counterexample")]
    return str(find)
