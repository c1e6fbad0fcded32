"""Counterexamples of drawn cases: found, shrunk, named, kept, and handled like any other failure."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.check.conftest import ENGINE

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]
    Python = Callable[..., Ended]

DRAWN = ("--only", "tracker/prop-3-fuzz", "--max-examples", "80")
CUT_LATE = ("0, 2000", "0, 2001")
FIND = "PROP-3#"


def test_a_fault_is_found_and_shrunk_to_a_vector(check: "Check", mine: "Implementations") -> None:
    """A limit that is one too high is found without a vector, and shrunk to the smallest call."""
    ended = check("--tracker", mine.tracker(*CUT_LATE), *DRAWN)
    [case] = [c for c in ended.report["cases"] if c["status"] == "fail"]
    assert ended.code == 1, ended.text
    assert case["counterexample"].startswith(FIND)
    assert "'x'.repeat(2001)" in case["sent"]
    assert len(case["sent"]) < 100
    assert f"FAIL tracker/prop-3-fuzz {case['counterexample']} MUST" in ended.text


def test_a_find_is_the_same_from_every_seed(check: "Check", mine: "Implementations") -> None:
    """The id of a counterexample depends only on its call, not on the seed or the first example."""
    broken = mine.tracker(*CUT_LATE)
    finds = {_find(check("--tracker", broken, *DRAWN, *_fresh(f"{n}"), "--seed", f"{n}")) for n in (0, 3)}
    assert len(finds) == 1


def test_without_time_to_shrink_a_find_is_told_as_it_was_drawn(
    check: "Check", mine: "Implementations"
) -> None:
    """With --shrink-seconds 0, the first example is reported, with the reason why it is not shrunk."""
    ended = check("--tracker", mine.tracker(*CUT_LATE), *DRAWN, "--shrink-seconds", "0")
    assert ended.code == 1, ended.text
    [detail] = ended.details("PROP-3")
    assert "not shrunk, for --shrink-seconds are used up" in detail


def test_drawing_can_be_switched_off(check: "Check", mine: "Implementations") -> None:
    """With --max-examples 0, nothing is drawn, and a MUST is verified by its written cases."""
    ended = check("--tracker", mine.tracker(), "--only", "prop-2", "--max-examples", "0")
    assert ended.code == 0, ended.text
    assert "tracker/prop-2-fuzz" not in ended.statuses
    [row] = [r for r in ended.report["requirements"] if r["id"] == "PROP-2"]
    assert (row["status"], row.get("selected")) == ("pass", None)
    assert not (ended.folder / ".hypothesis").exists()


def test_a_find_is_tried_first_and_may_be_known(
    check: "Check", python: "Python", mine: "Implementations"
) -> None:
    """A counterexample is tried first in the next run; its baseline entry is stale once it is fixed."""
    broken = mine.tracker(*CUT_LATE)
    find = _find(check("--tracker", broken, *DRAWN))
    again = check("--tracker", broken, *DRAWN[:2], "--max-examples", "1")
    assert (again.code, _find(again)) == (1, find)
    written = python(
        "-m", "conformance", "baseline", "write", "known.toml", "--issue", "https://bugs.example/1"
    )
    assert written.code == 0, written.text
    known = check("--tracker", broken, *DRAWN, "--baseline", "known.toml")
    assert (known.code, known.report["conformant"]) == (0, False), known.text
    mended = check("--tracker", mine.tracker(), *DRAWN, "--baseline", "known.toml")
    assert mended.code == 1, mended.text
    assert f"{find} passes: remove its entry from the baseline" in mended.text


def test_a_find_becomes_a_vector(check: "Check", python: "Python", mine: "Implementations") -> None:
    """`fuzz promote` writes a vector with the call and the values that the requirement expects."""
    find = _find(check("--tracker", mine.tracker(*CUT_LATE), *DRAWN))
    done = python(
        *("-m", "conformance", "fuzz", "promote", find),
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


def test_a_search_takes_its_time_and_no_more(python: "Python", mine: "Implementations") -> None:
    """`fuzz TARGET --for` finds nothing in a sound tracker, and reports the number of examples."""
    # Nearly every batch has examples that apply to PROP-1, even on a slow machine.
    search = ("--for", "3s", "--only", "tracker/prop-1-fuzz", *ENGINE)
    ended = python("-m", "conformance", "fuzz", mine.tracker(), *search)
    assert "tracker chromium:" in ended.text
    assert "examples" in ended.text
    assert ended.code == 0, ended.text
    assert "conformant in what was selected: 1 of" in ended.text


def test_an_unknown_find_is_a_usage_error(python: "Python", mine: "Implementations") -> None:
    """An unknown counterexample cannot be promoted: exit code 2, and the known ids."""
    (mine.folder / "finds.jsonl").touch()
    done = python(
        *("-m", "conformance", "fuzz", "promote", "PROP-3#0000", "--why", "x"),
        *("--counterexamples", "finds.jsonl"),
    )
    assert (done.code, "'PROP-3#0000' is not in finds.jsonl" in done.text) == (2, True), done.text


def _fresh(name: str) -> tuple[str, str]:
    """Return the option for a file of counterexamples that does not exist yet."""
    return "--counterexamples", f"finds-{name}.jsonl"


def _find(ended: "Ended") -> str:
    [find] = [c["counterexample"] for c in ended.report["cases"] if c.get("counterexample")]
    return str(find)
