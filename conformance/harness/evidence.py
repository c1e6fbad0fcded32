"""Evidence of one case: collected while its check runs, and turned into a result when it ends."""

from dataclasses import dataclass
from typing import Any

from conformance.protocol.cases import Case
from conformance.protocol.outcomes import (
    LeftOut,
    NotAsked,
    NotTestable,
    TargetUnavailable,
    Violation,
)
from conformance.readback import StoredRow
from conformance.recorder import Exchange, MappingFault, timeline
from conformance.results.verdict import CaseResult, Fault, Status


@dataclass
class Evidence:
    """Call, requests and rows of one case in one browser, filled in by its check.

    ``upcoming`` is True if the case does not belong to the run's requirement set yet.
    ``notes`` are remarks that reports show although the case passed. ``canary`` is True if the check also
    rejected an altered observation (see ``drivers/canary.py``). The other fields are those of ``CaseResult``.
    """

    case: Case
    browser: str | None = None
    repro: str = ""
    sent: Any = None
    received: Any = None
    stored: Any = None
    canary: bool = False
    notes: tuple[str, ...] = ()
    delivery_counts: Any = None
    timeline: Any = None
    screenshot: str = ""
    counterexample: str = ""
    example: Any = None
    fuzzed: Any = None
    cured: tuple[str, ...] = ()
    upcoming: bool = False

    def wire(self, exchanges: list[Exchange]) -> None:
        """Keep the requests that arrived at the recorder."""
        self.received = [exchange.summary() for exchange in exchanges]

    def moments(self, events: list[Exchange], controls: list[Exchange]) -> None:
        """Keep the times of an event's requests and of the plain control requests sent beside them."""
        self.timeline = timeline(events, controls)

    def rows(self, rows: list[StoredRow]) -> None:
        """Keep the rows that were read back."""
        self.stored = [row.columns() for row in rows]

    def result(self, error: BaseException | None, seconds: float) -> CaseResult:
        """Return the result of the case; ``error`` is the exception raised by the check, or None."""
        status, detail, fault = _conclude(self.case, error)
        if not error and self.notes:
            detail = "; ".join(dict.fromkeys(self.notes))
        return CaseResult(
            id=self.case.id,
            requirement=self.case.requirement,
            lane=self.case.lane,
            level=self.case.level,
            status=status,
            browser=self.browser,
            detail=detail,
            repro=self.repro,
            sent=self.sent,
            received=self.received,
            stored=self.stored,
            seconds=round(seconds, 4),
            fault=fault,
            counterexample=self.counterexample,
            example=self.example,
            fuzzed=self.fuzzed,
            tries=self.delivery_counts,
            timeline=self.timeline if isinstance(error, Violation) else None,
            screenshot=self.screenshot,
            cured=self.cured,
            not_asked=isinstance(error, NotAsked),
            drawn=self.case.drawn,
            upcoming=self.upcoming,
        )


def _conclude(case: Case, error: BaseException | None) -> tuple[Status, str, Fault | None]:
    observed = case.level == "MAY"
    match error:
        case None:
            return (Status.OBSERVED if observed else Status.PASS), "", None
        case Violation():
            return (Status.OBSERVED if observed else Status.FAIL), str(error), None
        case NotTestable():
            return Status.NOT_TESTABLE, str(error), None
        case LeftOut() | NotAsked():
            return Status.NOT_RUN, str(error), None
        case TargetUnavailable() | MappingFault():
            return Status.ERROR, str(error), Fault.TARGET
    return Status.ERROR, f"{type(error).__name__}: {error}", Fault.SUITE
