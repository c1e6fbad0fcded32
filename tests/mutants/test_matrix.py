"""The kill matrix: killed, survived, and problems of a run."""

import json
from dataclasses import replace

import pytest

from conformance import __version__
from conformance.mutants import render
from conformance.mutants.implementations import Implementation, ImplementationKind
from conformance.mutants.matrix import MutantResult, finding
from conformance.mutants.selftest import KillMatrix, Scope
from conformance.mutants.trial import Trial
from conformance.protocol.requirement_sets import current_set
from conformance.protocol.requirements import Lane, Level
from conformance.results.record import Run, RunInfo
from conformance.results.verdict import CaseResult, Status

MUTANT = Implementation(
    name="m", kind=ImplementationKind.MUTANT, lanes=(Lane.TRACKER, Lane.SERVER), fails=("PROP-3",)
)
NULL = Implementation(
    name="n", kind=ImplementationKind.NULL, lanes=(Lane.TRACKER,), passes=("tracker/api-1-*",)
)
ROW = Implementation(
    name="r",
    kind=ImplementationKind.MUTANT,
    lanes=(Lane.SERVER, Lane.PAIR),
    fails=("PROP-1",),
    rows=("nfc",),
    cells=(
        "server/prop-1-verbatim-nfc-value",
        "server/prop-1-verbatim-nfc-key",
        "pair/prop-1-verbatim-nfc-value",
    ),
)
INDEPENDENT = Implementation(name="i", kind=ImplementationKind.INDEPENDENT, lanes=(Lane.TRACKER,))


def case(id_: str, status: Status, level: Level = Level.MUST) -> CaseResult:
    """Return a result; its requirement and lane follow from the id."""
    lane, _, name = id_.partition("/")
    requirement = "-".join(name.split("-")[:2]).upper()
    return CaseResult(
        id=id_, requirement=requirement, lane=Lane(lane), level=level, status=status, detail="d"
    )


def judge(subject: Implementation, *results: CaseResult, interrupted: bool = False) -> MutantResult:
    """Return the finding on a run with these results."""
    info = RunInfo(target={}, lanes=subject.lanes)
    run = Run(info=info, results=results, interrupted=interrupted)
    return finding(Trial(subject=subject, run=run, seconds=1))


def test_killed_in_each_lane() -> None:
    """A mutant is killed if its requirement fails in every lane that it names."""
    found = judge(MUTANT, case("tracker/prop-3-a", Status.FAIL), case("server/prop-3-a", Status.FAIL))
    assert (
        found.outcome,
        found.killed,
        found.survived,
        found.problems,
    ) == ("killed", (Lane.TRACKER, Lane.SERVER), (), ())


def test_killed_by_an_upcoming_requirement() -> None:
    """A mutant of a requirement that no set has yet is killed by a case of its level, and by no other."""
    good = replace(MUTANT, lanes=(Lane.TRACKER,), fails=("GOOD-1",))
    failed = replace(case("tracker/good-1-a", Status.FAIL, Level.SHOULD), upcoming=True)
    assert judge(good, failed).outcome == "killed"
    assert judge(good, replace(failed, level=Level.MAY)).outcome == "survived"
    assert judge(good, replace(failed, status=Status.PASS)).outcome == "survived"


def test_survived_in_one_lane() -> None:
    """A mutant survives in a lane in which its requirement passes."""
    found = judge(MUTANT, case("tracker/prop-3-a", Status.FAIL), case("server/prop-3-a", Status.PASS))
    assert (found.outcome, found.problems) == ("survived", ("PROP-3 did not fail in the server lane",))


def test_killed_by_another_only() -> None:
    """A mutant that only another requirement notices survives."""
    found = judge(MUTANT, case("tracker/wire-2-a", Status.FAIL), case("server/prop-3-a", Status.PASS))
    assert (found.outcome, found.others) == ("killed by another only", ("WIRE-2",))


def test_an_error_is_no_kill() -> None:
    """A check that ends in an error does not kill."""
    found = judge(MUTANT, case("tracker/prop-3-a", Status.ERROR), case("server/prop-3-a", Status.FAIL))
    assert (found.outcome, found.survived) == ("survived", (Lane.TRACKER,))


def test_null_may_pass_what_it_is_allowed_only() -> None:
    """An implementation that does nothing may pass only the cases listed for it."""
    found = judge(NULL, case("tracker/api-1-a", Status.PASS), case("tracker/prop-3-a", Status.PASS))
    assert found.problems == ("passed without doing anything: tracker/prop-3-a",)


def test_independent_must_not_fail() -> None:
    """A failure of the independent pair is a false failure, even of a SHOULD."""
    failed = case("tracker/prop-6-a", Status.FAIL, Level.SHOULD)
    assert judge(INDEPENDENT, failed).problems == ("false failure: tracker/prop-6-a: d",)


def test_a_row_is_killed_by_its_own_cells() -> None:
    """A transformation is killed if all cases of its row fail; cases of other rows are ignored."""
    found = judge(
        ROW,
        case("server/prop-1-verbatim-nfc-value", Status.FAIL),
        case("server/prop-1-verbatim-nfc-key", Status.FAIL),
        case("pair/prop-1-verbatim-nfc-value", Status.FAIL),
        case("server/prop-1-verbatim-trim-value", Status.ERROR),
        case("server/store-1-verbatim-trim-name", Status.FAIL),
    )
    assert (found.outcome, found.killed, found.others) == ("killed", (Lane.SERVER, Lane.PAIR), ())


@pytest.mark.parametrize("status", [Status.PASS, Status.ERROR, Status.NOT_TESTABLE])
def test_a_row_survives_by_one_cell(status: Status) -> None:
    """The case of a row that does not fail, or has no result, is named."""
    found = judge(
        ROW,
        case("server/prop-1-verbatim-nfc-value", Status.FAIL),
        case("server/prop-1-verbatim-nfc-key", status),
    )
    assert (found.outcome, found.killed) == ("survived", ())
    assert "server/prop-1-verbatim-nfc-key did not fail in the server lane" in found.problems
    assert "pair/prop-1-verbatim-nfc-value did not fail in the pair lane" in found.problems


def test_a_row_must_fail_in_every_browser() -> None:
    """A case must fail in every browser."""
    failed = [case(cell, Status.FAIL) for cell in ROW.cells]
    found = judge(ROW, *failed, case("pair/prop-1-verbatim-nfc-value", Status.PASS))
    assert found.survived == (Lane.PAIR,)


def test_an_interrupted_run_proves_nothing() -> None:
    """A trial that did not end is a problem of its own."""
    assert judge(NULL, interrupted=True).problems == ("the run was interrupted",)


def test_reports() -> None:
    """The JSON report names its suite and can be shown by a site; the page is red, and escapes a detail."""
    killed = judge(MUTANT, case("tracker/prop-3-a", Status.FAIL), case("server/prop-3-a", Status.FAIL))
    wrong = replace(judge(INDEPENDENT), problems=("<b>PROP-3</b>",))
    matrix = KillMatrix(findings=(killed, wrong), uncovered=(), cases=9, requirements=7, scope=Scope.QUICK)
    data = json.loads(render.as_json(matrix))
    assert data["suite"] == {"version": __version__, "set": current_set()}
    page = render.as_html(matrix)
    assert '<header class="bad">' in page
    assert "<b>" not in page
    assert (page.count("✓ killed"), page.count("✕ wrong")) == (2, 1)
    assert '<header class="good">' in render.as_html(replace(matrix, findings=(killed,)))
