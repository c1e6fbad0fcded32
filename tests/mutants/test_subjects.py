"""The mutants as data: each applies to the current source, and each check has one."""

import pytest

from conformance.mutants import implementations
from conformance.mutants.implementations import Edit, Implementation, source, subjects
from conformance.mutants.matrix import uncovered
from conformance.mutants.trial import _selectors
from conformance.protocol.requirements import requirements

MUTANTS = [subject for subject in subjects() if subject.edit]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_fault_applies(mutant: Implementation) -> None:
    """The text to replace occurs exactly once in its file, and the replacement differs."""
    assert mutant.edit
    text = source(mutant.edit.file).read_text(encoding="utf-8")
    assert mutant.edit.apply(text) != text


@pytest.mark.parametrize("text", ["", "a a"])
def test_a_fault_that_does_not_fit_is_refused(text: str) -> None:
    """A text to replace that is missing, or there twice, is an error and no silent non-mutant."""
    with pytest.raises(ValueError, match=r"f\.py: 'a' occurs"):
        Edit(file="f.py", find="a", replace="b").apply(text)


def test_every_check_has_a_fault() -> None:
    """Every MUST and SHOULD that is checked in a lane has a mutant there."""
    assert uncovered(requirements().values(), subjects()) == []


def test_a_check_without_a_fault_is_named() -> None:
    """A requirement without a mutant is named with its lanes."""
    others = [subject for subject in subjects() if "PROP-3" not in subject.fails]
    found = uncovered(requirements().values(), others)
    assert found == ["PROP-3 (tracker)", "PROP-3 (server)", "PROP-3 (pair)"]


@pytest.mark.parametrize("case", ["tracker/api-1-track-is-a-function", "pair/api-2-name-alone", "no-case"])
def test_a_case_of_another_requirement_or_lane_is_refused(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """A mutant may only name cases of the requirement and the lanes that it has."""
    row = {"file": "f", "find": "a", "replace": "b", "kills": "API-2", "lanes": ["tracker"], "cases": [case]}
    monkeypatch.setattr(implementations, "_read", lambda name: {"m": row} if name == "mutants.toml" else {})
    with pytest.raises(ValueError, match=f"mutant m: {case} is not a case of API-2 in its lanes"):
        subjects.__wrapped__()


def test_a_mutant_that_names_cases_meets_these_only() -> None:
    """The cases named are selected, whatever the scope; `--first-failure` would let others hide them."""
    [mutant] = [subject for subject in MUTANTS if subject.name == "tracker-waits-to-be-seen"]
    for own in (False, True):
        assert list(_selectors(mutant, own=own, cases=())) == ["--only", "tracker/api-2-in-a-hidden-page"]
