"""Conditions of the server lane: the request, its answer and its rows."""

from typing import Any

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Level
from conformance.search import property_conditions
from conformance.search.bodies import Meaning
from conformance.search.calls import Call
from conformance.search.condition_base import Condition, blame, is_refund, is_row_of, odd_only, of_pairs
from conformance.search.model import ValueKind
from conformance.search.observation import Observation
from conformance.search.oddities import Odd


def proper_answer(seen: Observation) -> bool:
    """Require an answer below 500, and a 4xx without rows for a body that is not an event (WIRE-8)."""
    reply, meaning = seen.reply, seen.body.meaning
    assert reply
    if reply.status is None or reply.status >= 500:
        raise Violation(f"expected an answer below 500, got {reply}")
    if meaning is Meaning.NO_EVENT and reply.status // 100 != 4:
        raise Violation(f"the body is not an event: expected 4xx, got {reply}")
    if meaning is Meaning.NO_EVENT and seen.rows:
        raise Violation(f"the body is not an event, but left {len(seen.rows)} rows")
    return meaning is Meaning.NO_EVENT


def accepted(seen: Observation) -> bool:
    """Require a 2xx for a body that a conformant tracker sends (WIRE-6)."""
    assert seen.reply
    if seen.body.plain and not seen.reply.accepted:
        raise Violation(f"expected 2xx, got {seen.reply}")
    return seen.body.plain


def lists_cost_no_event(seen: Observation) -> bool:
    """Require that lists which do not match do not lose the event (PROP-7)."""
    return Odd.LISTS in seen.body.oddities and _kept(seen, Odd.LISTS)


def money_costs_no_event(odd: Odd) -> Condition:
    """Return the condition that an odd amount (REV-7) or currency (REV-8) does not lose the event."""

    def condition(seen: Observation) -> bool:
        if odd not in seen.body.oddities or not _kept(seen, odd):
            return False
        return odd is Odd.CURRENCY or _stores_no_wrong_amount(seen)

    return condition


def _stores_no_wrong_amount(seen: Observation) -> bool:
    if not seen.body.amount_is_open and seen.stored_amount is not None:
        raise Violation(f"expected no amount, got {describe(seen.stored_amount)}")
    return True


def refund_is_stored(seen: Observation) -> bool:
    """Require that an amount of zero or below is stored as it is (REV-6)."""
    example: Any = seen.example
    if example.amount is None or example.amount > 0 or example.currency is None:
        return False
    kept = bool(seen.rows) if isinstance(example, Call) else _kept(seen, Odd.REFUND)
    return kept and property_conditions.refund(example.amount, seen.stored_amount)


def _kept(seen: Observation, odd: Odd | None = None) -> bool:
    """Return True if the event left rows. Raises Violation if it is lost and ``odd`` is its only odd part."""
    assert seen.reply
    if seen.body.meaning is not Meaning.EVENT:
        return False
    sure = odd_only(seen.body, odd) if odd else not seen.body.oddities
    if not seen.reply.accepted:
        return blame(sure, f"the event is refused: expected 2xx, got {seen.reply}")
    if seen.rows is not None and not seen.rows:
        return blame(sure, "the event is lost: it was accepted, but no row was stored")
    return bool(seen.rows)


def one_row(seen: Observation) -> bool:
    """Require exactly one row for an accepted event (STORE-1)."""
    assert seen.reply
    if seen.body.meaning is not Meaning.EVENT or not seen.reply.accepted or seen.rows is None:
        return False
    return (bool(seen.rows) or seen.body.plain) and is_row_of(seen, seen.body.members["n"])


def values_cost_no_event(kind: ValueKind, condition: property_conditions.Condition) -> Condition:
    """Return the condition on values of a kind: their stored text, and that none loses the event."""
    properties = of_pairs(condition, stored=True)

    def of(seen: Observation) -> bool:
        kinds = {entry.kind for entry in seen.body.entries or ()} - {ValueKind.TEXT, ValueKind.LONG}
        if kinds == {kind}:
            _kept(seen)
        return properties(seen)

    return of


def same_again(seen: Observation) -> bool:
    """Require that a stored row, sent as an event again, is stored the same (STORE-2)."""
    if seen.again is None or not seen.rows:
        return False
    for column in ("meta_keys", "meta_values", "revenue_source_amount", "revenue_source_currency"):
        once, twice = getattr(seen.rows[0], column), getattr(seen.again, column)
        if once != twice:
            once, twice = (list(v) if isinstance(v, tuple) else v for v in (once, twice))
            raise Violation(f"{column} is {describe(once)}; sent again it became {describe(twice)}")
    return True


def neighbour_unharmed(seen: Observation) -> bool:
    """Require one row for the plain event that was sent next (STORE-5)."""
    if seen.neighbour is None:
        return False
    if seen.neighbour != 1:
        raise Violation(f"the plain event sent after it left {seen.neighbour} rows, expected 1")
    return True


def row_without_revenue(seen: Observation) -> bool:
    """Require no revenue in the row if the body has neither ``ra`` nor ``rc`` (REV-4)."""
    given = "ra" in seen.body.members or "rc" in seen.body.members
    if seen.body.meaning is not Meaning.EVENT or given or not seen.rows:
        return False
    if seen.stored_amount is not None or seen.rows[0].revenue_source_currency not in (None, ""):
        found = f"{describe(seen.stored_amount)} {describe(seen.rows[0].revenue_source_currency)}"
        raise Violation(f"expected no revenue, got {found}")
    return True


def stored_currency(seen: Observation) -> bool:
    """Require the currency given, or USD without one, in the row (REV-2)."""
    example: Any = seen.example
    if not seen.rows or example.amount is None or example.currency is None or seen.stored_amount is None:
        return False
    found = seen.rows[0].revenue_source_currency
    if found != example.currency:
        raise Violation(f"expected the currency {describe(example.currency)}, got {describe(found)}")
    return True


def stored_amount(level: Level) -> Condition:
    """Return the condition that an amount which REV-1 binds at ``level`` is stored exactly."""

    def condition(seen: Observation) -> bool:
        example: Any = seen.example
        if not seen.rows or example.currency is None or is_refund(example.amount):
            return False
        return property_conditions.exact_amount(example.amount, seen.stored_amount, level)

    return condition
