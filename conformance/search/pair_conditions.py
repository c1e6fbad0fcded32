"""Conditions of the pair lane: the call, its request on the wire, and its row."""

from decimal import Decimal

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Level
from conformance.search import model
from conformance.search.condition_base import blame, is_refund, is_row_of, odd_at_most
from conformance.search.observation import Observation, Pairs


def call_is_row(seen: Observation) -> bool:
    """Require exactly one row with the name of the call (STORE-1)."""
    plain = odd_at_most(seen.call, throwing=True)
    if not seen.arrived:
        return blame(plain, "no request arrived: the event is lost")
    return seen.rows is not None and (bool(seen.rows) or plain) and is_row_of(seen, seen.call.name)


def row_is_wire(seen: Observation) -> bool:
    """Require the properties of the wire in the row, if a conformant server keeps them (STORE-2)."""
    wire, stored = seen.sent_pairs, seen.stored_pairs
    if wire is None or not seen.rows or not _conformant(wire):
        return False
    if stored is None or list(wire) != list(stored):
        listed = [list(pair) for pair in stored or ()]
        raise Violation(f"the wire had {describe([list(p) for p in wire])}, the row has {describe(listed)}")
    return bool(wire)


def revenue_is_wire(seen: Observation) -> bool:
    """Require the revenue of the wire in the row, if REV-1 binds it (STORE-3)."""
    payload = seen.payload or {}
    amount, currency = payload.get("ra"), payload.get("rc")
    if not seen.rows or not isinstance(amount, Decimal) or not model.is_code(currency):
        return False
    if model.binding(amount) is not Level.MUST or is_refund(amount):
        return False
    row = seen.rows[0]
    if (row.revenue_source_amount, row.revenue_source_currency) != (amount, currency):
        found = f"{describe(row.revenue_source_amount)} {describe(row.revenue_source_currency)}"
        raise Violation(f"the wire had {amount} {currency}, the row has {found}")
    return True


def _conformant(pairs: Pairs) -> bool:
    texts = all(isinstance(member, str) and not model.ill_formed(member) for pair in pairs for member in pair)
    short = texts and all(model.units(value) <= model.VALUE_LIMIT for _, value in pairs)
    if not short or len(pairs) > model.PROPERTY_LIMIT or any("\0" in text for pair in pairs for text in pair):
        return False
    # Other keys are open (PROP-8), and equal ones are left to PROP-7.
    keys = [key for key, _ in pairs]
    return len(set(keys)) == len(keys) and not any(model.is_open_key(key) for key in keys)


def row_without_revenue_of_call(seen: Observation) -> bool:
    """Require no revenue in the row if the call has none (REV-4)."""
    if seen.call.revenue is not None or not seen.rows:
        return False
    if seen.stored_amount is not None or seen.rows[0].revenue_source_currency not in (None, ""):
        raise Violation(f"expected no revenue, got {describe(seen.stored_amount)}")
    return True


def row_without_wrong_amount(seen: Observation) -> bool:
    """Require no amount in the row if that of the call is not a finite number (REV-7)."""
    call = seen.call
    if call.revenue is None or call.amount is not None or not seen.rows:
        return False
    if seen.stored_amount is not None and not call.amount_is_open:
        raise Violation(f"expected no amount, got {describe(seen.stored_amount)}")
    return True
