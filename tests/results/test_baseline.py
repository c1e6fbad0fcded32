"""The baseline of known failures: reading, writing, strictness."""

from pathlib import Path

import pytest

from conformance.protocol.requirements import Lane, Level, requirements
from conformance.results.baseline import BadBaseline, KnownFailure, read, stale, write
from conformance.results.verdict import CaseResult, Exit, Status, Verdict, judge

ID = "tracker/prop-2-31-properties"
KNOWN = KnownFailure(case=ID, reason="the old tracker", issue="https://example.com/7")
ENTRY = '[[known]]\ncase = "{case}"\nreason = "{reason}"\nissue = "{issue}"\n'
GOOD = {"case": ID, "reason": "the old tracker", "issue": "https://example.com/7"}


def result(status: Status, id_: str = ID) -> CaseResult:
    """Return a result of a case of PROP-2 in the tracker lane."""
    return CaseResult(id=id_, requirement="PROP-2", lane=Lane.TRACKER, level=Level.MUST, status=status)


def verdict(*results: CaseResult, known: KnownFailure = KNOWN, day: str = "2026-11-24") -> Verdict:
    """Return the verdict of a run that checks PROP-2 only."""
    own = [requirements()["PROP-2"]]
    return judge(requirements=own, lanes=[Lane.TRACKER], results=results, known=[known], day=day)


def test_round_trip(tmp_path: Path) -> None:
    """A baseline that was written is read back equal, whatever the text."""
    entries = (
        KNOWN,
        KnownFailure(
            case="tracker/prop-6-lone-high-surrogate",
            reason='a "quote", a \\, a\nline, NUL \0 and 😀',
            issue="https://example.com/8",
            expires="2027-01-31",
        ),
    )
    write(tmp_path / "known.toml", entries)
    assert read(tmp_path / "known.toml") == entries


def test_a_known_failure_fails_no_run() -> None:
    """A violation in the baseline does not affect the exit code."""
    assert verdict(result(Status.FAIL)).exit_code == Exit.CONFORMANT


def test_a_known_failure_is_not_conformant() -> None:
    """A violation in the baseline still makes the run not conformant."""
    found = verdict(result(Status.FAIL))
    assert (found.conformant, len(found.known), len(found.violations)) == (False, 1, 0)


def test_another_failure_fails_the_run() -> None:
    """A violation that is not in the baseline fails the run."""
    other = result(Status.FAIL, "tracker/prop-2-50-properties")
    assert verdict(result(Status.FAIL), other).exit_code == Exit.VIOLATION


def test_an_entry_that_passes_fails_the_run() -> None:
    """An entry whose case passes fails the run."""
    assert verdict(result(Status.PASS)).exit_code == Exit.VIOLATION


def test_an_entry_that_was_not_run_is_left_alone() -> None:
    """An entry whose case was deselected is not stale."""
    assert verdict(result(Status.NOT_RUN)).exit_code == Exit.INCONCLUSIVE


@pytest.mark.parametrize(("day", "code"), [("2026-11-24", Exit.CONFORMANT), ("2026-11-25", Exit.VIOLATION)])
def test_an_entry_expires_after_its_last_day(day: str, code: Exit) -> None:
    """An entry applies until the end of its last day; after that it is stale and the failure counts."""
    known = KnownFailure(case=ID, reason="r", issue="i", expires="2026-11-24")
    assert verdict(result(Status.FAIL), known=known, day=day).exit_code == code


def test_stale_says_what_to_do() -> None:
    """The message of a stale entry names it and the way out."""
    other = "tracker/prop-3-2001-characters"
    expired = KnownFailure(case=other, reason="r", issue="https://e.org/1", expires="2026-01-01")
    assert stale((KNOWN, expired), passed={ID}, day="2026-11-24") == (
        "tracker/prop-2-31-properties passes: remove its entry from the baseline",
        "tracker/prop-3-2001-characters has expired (2026-01-01): see https://e.org/1",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.format(**{**GOOD, "case": "tracker/prop-2-31-propertis"}), "prop-2-31-properties"),
        (ENTRY.format(**{**GOOD, "issue": " "}), "entry 1: issue is missing"),
        (ENTRY.format(**{**GOOD, "reason": ""}), "entry 1: reason is missing"),
        (ENTRY.format(**GOOD) + 'expires = "soon"\n', "expires must be a date such as 2027-01-31 (got"),
        (ENTRY.format(**GOOD) * 2, "more than one entry"),
        ("known = 5\n", "expected a list"),
        ("known = [5]\n", "entry 1: expected a table with case, expires, issue, reason, got 5"),
        ('known = ["a"]\n', "entry 1: expected a table with case, expires, issue, reason, got 'a'"),
        ("[[known]]\ncase = 5\n", "entry 1: case must be a text (got 5)"),
        ("other = 5\n", "expected a list"),
        ("[[known\n", "known.toml"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    """An invalid file is refused with file, entry and fault."""
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(BadBaseline, match=r"known\.toml") as caught:
        read(path)
    assert message in str(caught.value)
