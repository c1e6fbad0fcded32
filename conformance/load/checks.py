"""The checks of the load lane (STORE-5), all on one comparison of answers with stored rows."""

from collections.abc import Callable, Mapping

from conformance.drivers.expectations import NO_READBACK
from conformance.harness.evidence import Evidence
from conformance.load.ledger import Reconciled
from conformance.load.measure import LoadMeasurement
from conformance.protocol.cases import Case, catalogue
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.requirement_sets import current_set
from conformance.protocol.requirements import Lane
from conformance.results.verdict import CaseResult

Check = Callable[[Reconciled], None]


def nothing_lost(counts: Reconciled) -> None:
    """Raise Violation unless each acknowledged event has a row (STORE-5)."""
    if counts.lost:
        raise Violation(
            f"{_of(counts.lost, counts.acknowledged)} acknowledged events have no row{_such(counts, 'lost')}"
        )


def nothing_doubled(counts: Reconciled) -> None:
    """Raise Violation if an event, acknowledged or not, has more than one row (STORE-5)."""
    if counts.doubled:
        raise Violation(
            f"{_of(counts.doubled, counts.sent)} events have more than one row{_such(counts, 'doubled')}"
        )


def nothing_altered(counts: Reconciled) -> None:
    """Raise Violation unless name, properties, amount and currency of each row are as sent (STORE-5)."""
    if counts.altered:
        raise Violation(
            f"{_of(counts.altered, counts.sent)} events have a row that is not what was sent"
            f"{_such(counts, 'altered')}"
        )
    if counts.stray:
        raise Violation(f"{counts.stray} rows have the run's token and a number that was never sent")


def bad_neighbours(counts: Reconciled) -> None:
    """Raise Violation unless each malformed request gets a 4xx and leaves no row (STORE-5)."""
    if not counts.bad:
        raise NotTestable("the mix has no malformed requests")
    if counts.bad_refused < counts.bad:
        raise Violation(f"{_of(counts.bad - counts.bad_refused, counts.bad)} malformed requests got no 4xx")
    if counts.bad_stored:
        raise Violation(f"{counts.bad_stored} malformed requests left a row{_such(counts, 'bad_stored')}")


CHECKS: Mapping[str, Check] = {
    "load/store-5-nothing-lost": nothing_lost,
    "load/store-5-nothing-doubled": nothing_doubled,
    "load/store-5-nothing-altered": nothing_altered,
    "load/store-5-bad-neighbours": bad_neighbours,
}


def results(measured: LoadMeasurement, repro: str) -> list[CaseResult]:
    """Return a result for each case of the load lane."""
    return [_result(case, measured, repro) for case in catalogue() if case.lane is Lane.LOAD]


def _result(case: Case, measured: LoadMeasurement, repro: str) -> CaseResult:
    evidence = Evidence(case=case, repro=repro, upcoming=case.upcoming(current_set()))
    counts = measured.reconciled
    evidence.sent = measured.plan.words()
    evidence.received = measured.statuses
    evidence.stored = vars(counts) if counts else None
    try:
        CHECKS[case.id](_testable(measured))
    except (Violation, NotTestable) as error:
        return evidence.result(error, measured.plan.duration)
    return evidence.result(None, measured.plan.duration)


def _testable(measured: LoadMeasurement) -> Reconciled:
    if not measured.acknowledged:
        raise NotTestable(f"no event was acknowledged: {measured.statuses}")
    if measured.reconciled is None:
        raise NotTestable(NO_READBACK)
    return measured.reconciled


def _of(number: int, whole: int) -> str:
    return f"{number} of {whole}"


def _such(counts: Reconciled, kind: str) -> str:
    """Return examples as text: nonces, which are the values of the property ``n``."""
    return f", such as n = {', '.join(counts.examples[kind])}" if kind in counts.examples else ""
