"""Results for cases that have not run: left out, cut short, or lost by a fault of the suite."""

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.protocol.cases import catalogue
from conformance.results.verdict import CaseResult, Fault, Status
from conformance.runner.session import Checks, Referee, folders


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


def test_pages_broken_by_upcoming_cases_do_not_count() -> None:
    """Other cases are not given up because of pages that broke in cases which no set has yet."""
    checks = Checks(RunContext(options=Options(tracker="t.js"), run="r", since="2026-01-01"))
    for id_ in ("tracker/good-1-page-comes-back", "tracker/api-1-track-is-a-function"):
        case = next(case for case in catalogue() if case.id == id_)
        item: Any = SimpleNamespace(
            callspec=SimpleNamespace(params={"case": case}), get_closest_marker=lambda _: True
        )
        with checks._counting_broken_pages(item):
            checks._instruments.broken[id_] += 1
    assert set(checks._instruments.broken) == {"tracker/api-1-track-is-a-function"}


@pytest.mark.parametrize(
    ("only", "loaded"),
    [
        ("api-1", ["tracker_calls"]),
        ("prop-3", ["tracker_calls", "tracker_fuzz"]),
        ("*-fuzz", ["tracker_calls", "tracker_fuzz"]),
    ],
)
def test_files_without_a_selected_case_are_not_loaded(only: str, loaded: list[str]) -> None:
    """Files of other lanes, and of drawn cases, which load Hypothesis, are ignored if they have no case."""
    options = Options(tracker="t.js", lane=("tracker",), only=(only,))
    checks = Checks(RunContext(options=options, run="r", since="2026-01-01"))
    names = ("server_requests", "server_fuzz", "tracker_calls", "tracker_fuzz")
    files = {name: folders()[0] / f"test_{name}.py" for name in names}
    assert all(path.exists() for path in files.values())
    assert [name for name, path in files.items() if not checks.pytest_ignore_collect(path)] == loaded


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
