"""Comparison of what was observed with what a vector expects; a difference raises Violation."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from conformance.drivers.pages import Outcome
from conformance.harness.evidence import Evidence
from conformance.protocol.matching import expand, mismatch, notes
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.payload import read_payload
from conformance.readback import StoredRow
from conformance.recorder import Exchange

_AMOUNT = "revenue_source_amount"


def require_call(evidence: Evidence, token: str, outcome: Outcome) -> None:
    """Require the outcome that a call's vector expects, such as its payload. Raises Violation.

    The number of events is left to WIRE-4 unless the vector names one.
    """
    vector = evidence.case.vector
    found, wanted = outcome.found, vector.get("events")
    evidence.wire(found)
    if vector.get("quiet"):
        _require_quiet(outcome)
    if (vector.get("quiet") or wanted == 0) and vector.get("sentinel", True) and not outcome.next_works:
        raise Violation("a plain call made afterwards sent nothing: the tracker has stopped, or never worked")
    if wanted is not None and wanted != len(found):
        raise Violation(f"expected {_count(wanted, 'request')}, got {len(found)}{_threw(outcome.thrown)}")
    # An optional event may be missing, provided that the tracker sends others.
    if wanted is None and not (
        vector.get("optional") and (outcome.next_works or not vector.get("sentinel", True))
    ):
        require_arrival(evidence, found, outcome.thrown)
    for exchange in found:
        wanted_payload, payload = expand(vector["payload"], token), read_payload(exchange.body)
        require_match(wanted_payload, payload, "the payload")
        evidence.notes += tuple(notes(wanted_payload, payload))


def _require_quiet(outcome: Outcome) -> None:
    if outcome.thrown:
        raise Violation(f"the call threw {outcome.thrown} into the page")
    if outcome.raised:
        raise Violation(f"the call raised {outcome.raised[0]!r} in the page, uncaught")


def require_arrival(evidence: Evidence, found: Sequence[Exchange], thrown: str | None = None) -> None:
    """Require that at least one request arrived. Raises Violation."""
    evidence.wire(list(found))
    if not found:
        raise Violation(f"no request arrived: the event is lost{_threw(thrown)}")


def require_row(evidence: Evidence, token: str, rows: Sequence[StoredRow] | None) -> None:
    """Require the row that a call's vector expects. Raises Violation, or NotTestable without a readback."""
    vector = evidence.case.vector
    expected = [vector["row"]] * vector.get("events", 1)
    _require_rows(evidence, token, rows, expected, optional=vector.get("optional", False))


def require_rows(evidence: Evidence, token: str, rows: Sequence[StoredRow] | None, *, accepted: bool) -> None:
    """Require exactly the rows that a request's vector lists. Raises Violation or NotTestable.

    A request that was not accepted must leave no custom event; rows of other types are ignored then.
    """
    expected = evidence.case.vector.get("rows")
    if expected is None:
        return
    if not (accepted and expected):
        expected = []
        rows = None if rows is None else [row for row in rows if row.type == "custom"]
    _require_rows(evidence, token, rows, expected, optional=False)


def require_match(expected: Any, actual: Any, what: str) -> None:
    """Require that a value matches. Raises Violation naming ``what`` and the place of the difference."""
    difference = mismatch(expected, actual)
    if difference:
        raise Violation(f"{what} differs at {difference}")


def _require_rows(
    evidence: Evidence, token: str, rows: Sequence[StoredRow] | None, expected: list[Any], *, optional: bool
) -> None:
    if rows is None:
        raise NotTestable(NO_READBACK)
    evidence.rows(list(rows))
    if optional and not rows:
        return
    if len(rows) != len(expected):
        problem = f"got {len(rows)}" if rows else "got none: the event is lost"
        raise Violation(f"expected {_count(len(expected), 'row')}, {problem}")
    for want, row in zip(expected, rows, strict=True):
        wanted = expected_row(want, token)
        require_match(wanted, row.columns(), "the stored row")
        evidence.notes += tuple(notes(wanted, row.columns()))


def expected_row(row: Any, token: str) -> Any:
    """Return a vector's row with its token filled in and its amounts, decimal text, as Decimal."""
    filled = expand(row, token)
    return {**filled, _AMOUNT: _decimals(filled[_AMOUNT])} if _AMOUNT in filled else filled


NO_READBACK = "no readback: stored rows cannot be seen (--clickhouse, --readback-url or --readback-cmd)"


def _decimals(value: Any) -> Any:
    match value:
        case str():
            return Decimal(value)
        case {"$any": [*choices]}:
            return {"$any": [_decimals(choice) for choice in choices]}
    return value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _threw(thrown: str | None) -> str:
    return f"; the call threw {thrown}" if thrown else ""
