"""Results for cases that have not run: left out, cut short, or lost by a fault of the suite."""

import pytest

from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.results.verdict import CaseResult, Fault, Status
from conformance.runner.session import Referee


def concluded(left_out: str = "", cut_short: str = "", problem: str = "") -> CaseResult:
    """Return the result of the one selected case, which has not run; the rest of its lane is deselected."""
    options = Options(tracker="t.js", only=("tracker/api-1-track-is-a-function",))
    results: list[CaseResult] = []
    referee = Referee(RunContext(options=options, run="r", since="2026-01-01"), results.append)
    referee.problems += [problem] if problem else []
    referee.conclude(left_out, cut_short)
    [own] = [result for result in results if result.id == options.only[0]]
    others = {(r.status, r.deselected) for r in results if r.id != own.id}
    assert others == {(Status.NOT_RUN, True)}
    return own


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"left_out": "deselected by -k"}, (Status.NOT_RUN, True, None)),
        ({"cut_short": "not run, because of -x"}, (Status.NOT_RUN, False, None)),
        ({}, (Status.ERROR, False, Fault.SUITE)),
        ({"left_out": "deselected by -k", "problem": "worker gw0 died"}, (Status.ERROR, False, Fault.SUITE)),
    ],
)
def test_a_case_without_a_result(given: dict[str, str], expected: tuple[Status, bool, Fault | None]) -> None:
    """A case that the user left out is not covered by the verdict; one that -x prevented was not verified."""
    found = concluded(**given)
    assert (found.status, found.deselected, found.fault) == expected
