"""The checks of a load run: each fails on its own fault, with the figures in its message."""

from typing import Any

import pytest

from conformance.load.checks import CHECKS, results
from conformance.load.ledger import Reconciled
from conformance.load.measure import LoadMeasurement
from conformance.load.plan import LoadPlan
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.requirements import Lane, requirements
from conformance.results.verdict import Exit, Status, judge

SOUND: dict[str, Any] = {"sent": 90, "acknowledged": 90, "stored": 90, "bad": 10, "bad_refused": 10}


def outcome(**changed: Any) -> dict[str, str]:
    """Return the failure messages, by the last word of the check's id."""
    found = {}
    for id_, check in CHECKS.items():
        try:
            check(Reconciled(**{**SOUND, **changed}))
        except Violation as error:
            found[id_.rpartition("-")[2]] = str(error)
    return found


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({}, {}),
        ({"refused": 5, "unanswered": 3, "unacknowledged": 8}, {}),
        ({"lost": 2}, {"lost": "2 of 90 acknowledged events have no row"}),
        ({"doubled": 1}, {"doubled": "1 of 90 events have more than one row"}),
        ({"altered": 1}, {"altered": "1 of 90 events have a row that is not what was sent"}),
        ({"stray": 4}, {"altered": "4 rows have the run's token and a number that was never sent"}),
        ({"bad_refused": 7}, {"neighbours": "3 of 10 malformed requests got no 4xx"}),
        ({"bad_stored": 1}, {"neighbours": "1 malformed requests left a row"}),
    ],
)
def test_each_check_fails_on_its_fault(fault: dict[str, int], found: dict[str, str]) -> None:
    """One fault fails one case, with the figures in its message."""
    assert outcome(**fault) == found


def test_examples_are_named() -> None:
    """The message of a failure names examples of events."""
    found = outcome(lost=1, examples={"lost": ["cp01.a.7"]})
    assert found == {"lost": "1 of 90 acknowledged events have no row, such as n = cp01.a.7"}


def test_nothing_malformed_is_not_testable() -> None:
    """Without malformed requests in the mix, their effect on other requests is not testable."""
    with pytest.raises(NotTestable):
        CHECKS["load/store-5-bad-neighbours"](Reconciled(**{**SOUND, "bad": 0, "bad_refused": 0}))


@pytest.mark.parametrize(
    ("acknowledged", "reconciled", "status", "code"),
    [
        (90, Reconciled(**SOUND), Status.PASS, Exit.CONFORMANT),
        (90, Reconciled(**{**SOUND, "lost": 1}), Status.FAIL, Exit.VIOLATION),
        (90, None, Status.NOT_TESTABLE, Exit.INCONCLUSIVE),
        (0, None, Status.NOT_TESTABLE, Exit.INCONCLUSIVE),
    ],
)
def test_verdict(acknowledged: int, reconciled: Reconciled | None, status: Status, code: Exit) -> None:
    """The exit code is 0 if the lane's SHOULD passed, 1 if it failed, 4 if it was not tested."""
    measured = LoadMeasurement(
        plan=LoadPlan(), reconciled=reconciled, acknowledged=acknowledged, statuses="", canary="", report={}
    )
    found = results(measured, "clickport load")
    verdict = judge(requirements=requirements().values(), lanes=[Lane.LOAD], results=found, strict=True)
    assert ([r.status for r in verdict.requirements], verdict.exit_code) == ([status], code)
