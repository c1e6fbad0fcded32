"""Computation of the verdict and the exit code from results of cases."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.results.baseline import KnownFailure
from conformance.results.verdict import CaseResult, Exit, Fault, RequirementResult, Status, Verdict, judge
from conformance.results.waivers import Waiver

PASS, FAIL, ERROR, NOT_TESTABLE, NOT_RUN, EXCLUDED, OBSERVED = Status
SUITE, TARGET = Fault


def requirement(id_: str, level: Level, *lanes: Lane, excluded: str = "") -> Requirement:
    """Return a requirement, excluded in all its lanes if a reason is given."""
    reasons = dict.fromkeys(lanes, excluded) if excluded else {}
    return Requirement(id=id_, level=level, lanes=lanes, what="what", why="why", excluded=reasons)


REGISTRY = (
    requirement("API-1", Level.MUST, Lane.TRACKER),
    requirement("API-5", Level.SHOULD, Lane.TRACKER),
    requirement("API-9", Level.MAY, Lane.TRACKER),
)


def result(id_: str, status: Status, **more: Any) -> CaseResult:
    """Return a result of the tracker lane, with the level of its requirement unless ``more`` has another."""
    levels = {row.id: row.level for row in REGISTRY}
    facts = {
        "id": f"tracker/{id_.lower()}-x",
        "lane": Lane.TRACKER,
        "level": levels.get(id_, Level.MUST),
        **more,
    }
    return CaseResult(requirement=id_, status=status, **facts)


GOOD = (result("API-1", PASS), result("API-5", PASS), result("API-9", OBSERVED))


def verdict(*results: CaseResult, registry: Any = REGISTRY, **more: Any) -> Verdict:
    """Return the verdict of a run of the tracker lane."""
    return judge(requirements=registry, lanes=[Lane.TRACKER], results=results, **more)


def outcome(*results: CaseResult, **more: Any) -> tuple[bool | None, int]:
    """Return (conformant, exit code) of a run."""
    found = verdict(*results, **more)
    return found.conformant, int(found.exit_code)


def with_must(status: Status, **more: Any) -> tuple[CaseResult, ...]:
    """Return a conformant run with one more case of the MUST."""
    return (*GOOD, result("API-1", status, id="tracker/api-1-other", **more))


def test_exit_codes_are_those_of_the_documentation() -> None:
    """The six exit codes have their documented numbers."""
    assert {e.name: e.value for e in Exit} == {
        "CONFORMANT": 0,
        "VIOLATION": 1,
        "USAGE": 2,
        "COULD_NOT_RUN": 3,
        "INCONCLUSIVE": 4,
        "SUITE_FAULT": 70,
    }


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(GOOD, (True, 0), id="all good"),
        pytest.param(with_must(FAIL), (False, 1), id="violation"),
        pytest.param(with_must(ERROR, fault=TARGET), (None, 3), id="target gone"),
        pytest.param(with_must(NOT_TESTABLE), (None, 4), id="not testable"),
        pytest.param(with_must(NOT_RUN), (None, 4), id="not run"),
        pytest.param(with_must(EXCLUDED), (None, 4), id="excluded"),
        pytest.param(with_must(ERROR, fault=SUITE), (None, 70), id="suite fault"),
        pytest.param(with_must(ERROR), (None, 70), id="an error without a cause is the suite's"),
        pytest.param((), (None, 4), id="nothing executed"),
        pytest.param((*with_must(FAIL), *with_must(ERROR, fault=TARGET)), (False, 1), id="fail, target"),
        pytest.param((*with_must(FAIL), *with_must(ERROR, fault=SUITE)), (False, 1), id="fail, suite"),
        pytest.param((*with_must(FAIL), *with_must(NOT_RUN)), (False, 1), id="fail, not run"),
        pytest.param(
            (*with_must(ERROR, fault=SUITE), *with_must(ERROR, fault=TARGET)), (None, 3), id="target, suite"
        ),
    ],
)
def test_outcome(results: tuple[CaseResult, ...], expected: tuple[bool | None, int]) -> None:
    """Each final status of a MUST has its verdict and exit code, by severity."""
    assert outcome(*results) == expected


@pytest.mark.parametrize("fault", [SUITE, TARGET])
@pytest.mark.parametrize("id_", ["API-5", "API-9"])
def test_an_error_anywhere_is_never_green(id_: str, fault: Fault) -> None:
    """An error of a SHOULD or a MAY leaves the verdict open as well."""
    error = result(id_, ERROR, fault=fault, id="tracker/other")
    assert outcome(*GOOD, error) == (None, 70 if fault is SUITE else 3)


def test_a_must_that_nothing_checked_is_never_green() -> None:
    """A MUST without a result leaves the verdict open, even if others passed."""
    assert outcome(*GOOD[1:]) == (None, 4)


def test_a_lane_without_a_must_is_never_green() -> None:
    """A lane without a binding requirement verifies nothing, however many cases pass."""
    assert outcome(*GOOD[1:], registry=REGISTRY[1:]) == (None, 4)


def test_an_excluded_must_has_its_reason() -> None:
    """A MUST without a case is unverified, with the reason from the registry."""
    later = requirement("DASH-1", Level.MUST, Lane.TRACKER, excluded="pending: the dashboard")
    found = verdict(*GOOD, registry=(*REGISTRY, later))
    row = RequirementResult(
        id="DASH-1", level=Level.MUST, lane=Lane.TRACKER, status=EXCLUDED, reason="pending: the dashboard"
    )
    assert (found.conformant, found.exit_code, found.unverified) == (None, Exit.INCONCLUSIVE, (row,))


def test_other_lanes_are_not_asked_for() -> None:
    """A MUST of a lane that was not selected is not part of the verdict."""
    other = requirement("WIRE-6", Level.MUST, Lane.SERVER)
    found = verdict(*GOOD, registry=(*REGISTRY, other))
    assert (found.conformant, [row.id for row in found.requirements]) == (True, ["API-1", "API-5", "API-9"])


def test_a_failing_should_warns() -> None:
    """A failing SHOULD is a warning, and the run is conformant."""
    bad = result("API-5", FAIL, id="tracker/other")
    found = verdict(*GOOD, bad)
    assert (found.conformant, found.violations, found.warnings) == (True, (), (bad,))


def test_strict_makes_a_should_binding() -> None:
    """With strict, a failing SHOULD is a violation."""
    bad = result("API-5", FAIL, id="tracker/other")
    found = verdict(*GOOD, bad, strict=True)
    assert (found.conformant, found.exit_code, found.violations, found.warnings) == (False, 1, (bad,), ())


@pytest.mark.parametrize(("strict", "expected"), [(False, (True, 0)), (True, (None, 4))])
def test_an_unverified_should_matters_only_if_strict(
    *, strict: bool, expected: tuple[bool | None, int]
) -> None:
    """A SHOULD that was not verified leaves the verdict open only with strict."""
    assert outcome(GOOD[0], result("API-5", NOT_TESTABLE), GOOD[2], strict=strict) == expected


@pytest.mark.parametrize("status", [OBSERVED, NOT_RUN, NOT_TESTABLE, EXCLUDED, FAIL])
@pytest.mark.parametrize("strict", [True, False])
def test_a_may_never_decides(status: Status, *, strict: bool) -> None:
    """The result of a MAY never affects the verdict."""
    assert outcome(*GOOD[:2], result("API-9", status), strict=strict) == (True, 0)


@pytest.mark.parametrize("level", [Level.SHOULD, Level.MAY])
def test_a_lower_level_never_breaks_a_must(level: Level) -> None:
    """A failing case with a lower level than its MUST warns, and the MUST passes."""
    bad = result("API-1", FAIL, id="tracker/finer", level=level)
    found = verdict(*GOOD, bad)
    assert (found.conformant, found.requirements[0].status, found.warnings) == (True, PASS, (bad,))


@pytest.mark.parametrize("status", [PASS, FAIL, OBSERVED])
def test_a_lower_level_never_verifies_a_must(status: Status) -> None:
    """A MUST of which only cases with a lower level ran is not verified."""
    assert outcome(*GOOD[1:], result("API-1", status, level=Level.SHOULD)) == (None, 4)


def test_a_requirement_shows_its_worst_case() -> None:
    """A requirement has the status and reason of its most severe result, and lists its cases once each."""
    twice = [result("API-1", PASS, browser=name) for name in ("chromium", "firefox")]
    other = [result("API-1", s, id=f"tracker/{s}", detail=f"{s}!") for s in (NOT_RUN, ERROR, NOT_TESTABLE)]
    assert verdict(*twice, *other).requirements[0] == RequirementResult(
        id="API-1",
        level=Level.MUST,
        lane=Lane.TRACKER,
        status=ERROR,
        reason="error!",
        cases=("tracker/api-1-x", "tracker/not-run", "tracker/error", "tracker/not-testable"),
    )


@pytest.mark.parametrize(
    ("worse", "better"),
    [(FAIL, ERROR), (ERROR, NOT_TESTABLE), (NOT_TESTABLE, NOT_RUN), (NOT_RUN, PASS)],
)
def test_order_of_statuses(worse: Status, better: Status) -> None:
    """Severity is fail, error, not-testable, not-run, pass, whatever the order of the results."""
    results = [result("API-1", better, id="tracker/a"), result("API-1", worse, id="tracker/b")]
    assert {verdict(*results).requirements[0].status, verdict(*results[::-1]).requirements[0].status} == {
        worse
    }


def test_summary_counts_cases() -> None:
    """The summary counts the results by status."""
    assert verdict(*with_must(FAIL), result("API-5", PASS)).summary == {"pass": 3, "fail": 1, "observed": 1}


TWO_MUSTS = (*REGISTRY, requirement("WIRE-1", Level.MUST, Lane.TRACKER))
LEFT_OUT = result("API-1", NOT_RUN, id="tracker/api-1-left-out", deselected=True)
WAIVER = Waiver(requirement="API-1", reason="no way to see it")


def drawn(status: Status, **more: Any) -> CaseResult:
    """Return a property's result for the MUST."""
    return result("API-1", status, id="tracker/api-1-fuzz", drawn=True, **more)


def wire(status: Status, **more: Any) -> CaseResult:
    """Return a result for a second MUST."""
    return result("WIRE-1", status, **more)


@pytest.mark.parametrize(
    ("results", "expected", "with_all"),
    [
        pytest.param(
            (result("API-1", PASS), wire(NOT_RUN, deselected=True)), (True, 0), (None, 4), id="one MUST"
        ),
        pytest.param((LEFT_OUT, result("API-1", PASS), wire(PASS)), (True, 0), (None, 4), id="one in part"),
        pytest.param((LEFT_OUT, wire(NOT_TESTABLE)), (None, 4), (None, 4), id="selected and not verified"),
        pytest.param((LEFT_OUT, wire(FAIL)), (False, 1), (False, 1), id="selected and violated"),
        pytest.param((LEFT_OUT, wire(ERROR, fault=TARGET)), (None, 3), (None, 3), id="selected and in error"),
        pytest.param((LEFT_OUT, wire(NOT_RUN, deselected=True)), (None, 4), (None, 4), id="nothing selected"),
        pytest.param(
            (LEFT_OUT, wire(NOT_RUN, deselected=True), result("API-5", PASS)),
            (True, 0),
            (None, 4),
            id="a SHOULD",
        ),
        pytest.param(
            (LEFT_OUT, wire(NOT_RUN, deselected=True), result("API-9", OBSERVED)),
            (None, 4),
            (None, 4),
            id="a MAY verifies nothing",
        ),
    ],
)
def test_the_verdict_is_about_what_was_selected(
    results: tuple[CaseResult, ...], expected: tuple[bool | None, int], with_all: tuple[bool | None, int]
) -> None:
    """The verdict ignores what a selection leaves out, unless all is required; without cases it is open."""
    assert outcome(*results, registry=TWO_MUSTS) == expected
    assert outcome(*results, registry=TWO_MUSTS, require_all=True) == with_all


def test_a_selection_makes_the_verdict_partial() -> None:
    """The verdict names the MUSTs that were left out, wholly or in part, and is marked as partial."""
    found = verdict(LEFT_OUT, result("API-1", PASS), wire(NOT_RUN, deselected=True), registry=TWO_MUSTS)
    rows = {row.id: (row.left_out, row.in_part) for row in found.requirements if row.level is Level.MUST}
    assert (found.partial, found.unverified, rows) == (
        True,
        (),
        {"API-1": (False, True), "WIRE-1": (True, False)},
    )


@pytest.mark.parametrize("left_out", ["API-5", "API-9"])
def test_without_what_binds_less_the_verdict_is_whole(left_out: str) -> None:
    """Leaving out a SHOULD or a MAY does not make the verdict partial."""
    rest = [r for r in GOOD if r.requirement != left_out]
    assert not verdict(*rest, result(left_out, NOT_RUN, deselected=True)).partial


@pytest.mark.parametrize("status", [NOT_RUN, NOT_TESTABLE])
@pytest.mark.parametrize("deselected", [True, False])
def test_a_must_is_verified_without_drawn_cases(status: Status, *, deselected: bool) -> None:
    """A property that was left out or not testable is not needed if the written cases passed."""
    found = verdict(*GOOD, drawn(status, deselected=deselected))
    assert (found.conformant, found.exit_code, found.partial) == (True, 0, False)
    assert outcome(*GOOD, drawn(status, deselected=deselected), require_all=True) == (None, 4)


@pytest.mark.parametrize(("status", "expected"), [(FAIL, (False, 1)), (ERROR, (None, 70))])
def test_a_drawn_case_refutes(status: Status, expected: tuple[bool | None, int]) -> None:
    """A counterexample refutes a requirement whose written cases passed."""
    assert outcome(*GOOD, drawn(status)) == expected


def test_a_search_alone_verifies_what_was_selected() -> None:
    """If only properties are selected, they decide."""
    found = verdict(LEFT_OUT, drawn(PASS))
    assert (found.conformant, found.exit_code, found.partial) == (True, 0, True)
    assert outcome(LEFT_OUT, drawn(NOT_TESTABLE)) == (None, 4)


@pytest.mark.parametrize("status", [NOT_TESTABLE, NOT_RUN, EXCLUDED])
def test_a_waiver_excuses_what_was_not_verified(status: Status) -> None:
    """A waived MUST does not keep the verdict open; its reason is part of the result."""
    results = (wire(PASS), result("API-1", status))
    assert outcome(*results, registry=TWO_MUSTS) == (None, 4)
    found = verdict(*results, registry=TWO_MUSTS, waivers=[WAIVER])
    assert (found.conformant, found.exit_code, found.unverified, found.bad_waivers) == (True, 0, (), ())
    assert [(row.id, row.status, row.waived) for row in found.waived] == [
        ("API-1", status, "no way to see it")
    ]


@pytest.mark.parametrize("status", [NOT_TESTABLE, NOT_RUN])
def test_waivers_alone_are_never_green(status: Status) -> None:
    """If every MUST is waived, nothing was verified."""
    assert outcome(result("API-1", status), waivers=[WAIVER]) == (None, 4)


def test_a_waiver_of_what_was_verified_fails_the_run() -> None:
    """A waiver of a requirement that was verified fails the run, so that it cannot hide a later gap."""
    found = verdict(*GOOD, waivers=[WAIVER])
    assert (found.exit_code, found.bad_waivers, found.waived) == (
        Exit.VIOLATION,
        ("API-1 was verified: remove its waiver",),
        (),
    )


def test_a_waiver_of_what_fails_points_to_the_baseline() -> None:
    """A waiver of a requirement that fails points to the baseline; the violation remains."""
    found = verdict(*with_must(FAIL), waivers=[WAIVER])
    assert (found.conformant, found.exit_code, len(found.violations)) == (False, 1, 1)
    [problem] = found.bad_waivers
    assert (problem.startswith("API-1 fails, and a waiver is for what cannot be verified"), problem[-8:]) == (
        True,
        "baseline",
    )


@pytest.mark.parametrize("fault", [SUITE, TARGET])
def test_a_waiver_excuses_no_error(fault: Fault) -> None:
    """A waiver does not excuse an error of a target or of the suite."""
    assert outcome(wire(PASS), result("API-1", ERROR, fault=fault), registry=TWO_MUSTS, waivers=[WAIVER]) == (
        None,
        70 if fault is SUITE else 3,
    )


@pytest.mark.parametrize(
    "results",
    [
        pytest.param((wire(PASS), LEFT_OUT), id="left out by the selection"),
        pytest.param((wire(PASS),), id="of another lane"),
    ],
)
def test_a_waiver_that_nothing_asks_for_is_idle(results: tuple[CaseResult, ...]) -> None:
    """A waiver that this run has no use for is only reported, so that runs of several lanes can share it."""
    registry = TWO_MUSTS if LEFT_OUT in results else TWO_MUSTS[1:]
    found = verdict(*results, registry=registry, waivers=[WAIVER])
    assert (found.conformant, found.exit_code, found.idle_waivers, found.bad_waivers) == (
        True,
        0,
        ("API-1",),
        (),
    )


def test_a_waiver_may_be_for_one_lane_of_two() -> None:
    """A requirement that is verified in one lane can be waived in another."""
    both = requirement("API-1", Level.MUST, Lane.TRACKER, Lane.SERVER)
    results = (result("API-1", PASS), result("API-1", NOT_TESTABLE, lane=Lane.SERVER, id="server/x"))
    found = judge(requirements=[both], lanes=both.lanes, results=results, waivers=[WAIVER])
    assert (found.exit_code, [row.lane for row in found.waived]) == (0, [Lane.SERVER])


def test_what_is_not_asked_of_a_target_holds_nothing_back() -> None:
    """A requirement that does not apply to the target is neither verified nor missing."""
    found = verdict(wire(PASS), result("API-1", NOT_RUN, not_asked=True), registry=TWO_MUSTS)
    assert (found.conformant, found.exit_code, found.partial, found.unverified) == (True, 0, False, ())
    assert outcome(result("API-1", NOT_RUN, not_asked=True)) == (None, 4)


ROWS = (*REGISTRY, requirement("STORE-1", Level.MUST, Lane.SERVER, Lane.PAIR))
RESULTS = st.builds(
    lambda row, lane, status, level, fault: CaseResult(
        id=f"{lane}/x", requirement=row.id, lane=lane, level=level or row.level, status=status, fault=fault
    ),
    st.sampled_from(ROWS),
    st.sampled_from([Lane.TRACKER, Lane.SERVER, Lane.PAIR]),
    st.sampled_from([PASS, PASS, PASS, *Status]),
    st.none() | st.sampled_from(Level),
    st.none() | st.sampled_from(Fault),
)
LANES = st.lists(st.sampled_from([Lane.TRACKER, Lane.SERVER, Lane.PAIR]), unique=True)


@settings(deadline=None, max_examples=300)
@given(st.lists(RESULTS, max_size=8), LANES, st.booleans())
def test_green_means_every_must_passed(results: list[CaseResult], lanes: list[Lane], strict: bool) -> None:
    """For any results, a run is conformant only if each MUST of its lanes passed in all its cases."""
    found = judge(requirements=ROWS, lanes=lanes, results=results, strict=strict)
    musts = {(row.id, lane) for row in ROWS if row.level is Level.MUST for lane in row.lanes if lane in lanes}
    passed = {(r.id, r.lane) for r in found.requirements if r.level is Level.MUST and r.status is PASS}
    cases = {(r.requirement, r.lane, r.status) for r in results if r.level is Level.MUST}
    every = {case for case in cases if case[:2] in musts} == {(*must, PASS) for must in musts}
    assert not found.conformant or (bool(musts), passed, every) == (True, musts, True)


@settings(deadline=None, max_examples=300)
@given(st.lists(RESULTS, max_size=8), LANES, st.booleans())
def test_exit_code_agrees_with_the_verdict(
    results: list[CaseResult], lanes: list[Lane], strict: bool
) -> None:
    """Without a baseline, exit code 0 means conformant, 1 not conformant, and any other an open verdict."""
    found = judge(requirements=ROWS, lanes=lanes, results=results, strict=strict)
    assert found.conformant is {0: True, 1: False}.get(found.exit_code)


@pytest.mark.parametrize("status", [FAIL, ERROR, NOT_TESTABLE, PASS])
def test_an_upcoming_case_changes_nothing(status: Status) -> None:
    """A case of a later requirement set leaves the whole verdict as it was, except the list of such cases."""
    fault = SUITE if status is ERROR else None
    upcoming = result("API-1", status, id="tracker/api-1-other", fault=fault, upcoming=True)
    known = [KnownFailure(case=upcoming.id, reason="r", issue="i")]
    for results in (GOOD, with_must(FAIL), GOOD[1:]):
        with_it, without = (verdict(*each, known=known) for each in ((*results, upcoming), results))
        assert with_it.upcoming == (upcoming,)
        assert replace(with_it, upcoming=()) == without


def test_upcoming_cases_alone_verify_nothing() -> None:
    """A run of upcoming cases only is inconclusive."""
    assert outcome(result("API-1", PASS, upcoming=True)) == (None, Exit.INCONCLUSIVE)
