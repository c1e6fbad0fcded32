"""Conditions of the tracker lane: the call, and the requests that reached the recorder."""

from decimal import Decimal

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Level
from conformance.search import model, property_conditions
from conformance.search.condition_base import Condition, blame, is_refund, odd_at_most, odd_only
from conformance.search.model import ValueKind
from conformance.search.observation import Observation
from conformance.search.oddities import Odd


def never_throws(seen: Observation) -> bool:
    """Require that the call raises nothing in the page and that the next one works (API-5)."""
    if seen.thrown:
        raise Violation(f"the call threw {seen.thrown} into the page")
    if seen.raised:
        raise Violation(f"the call raised {seen.raised[0]!r} in the page, uncaught")
    if not seen.next_works:
        raise Violation("a plain call made afterwards sent nothing")
    return True


def one_request(seen: Observation) -> bool:
    """Require exactly one request, unless an odd part may have cost it (WIRE-4)."""
    number = len(seen.arrived or ())
    if not number and not odd_at_most(seen.call, Odd.NUL, throwing=True):
        return False
    if number != 1:
        raise Violation(f"expected 1 request, got {number}")
    return True


def one_object(seen: Observation) -> bool:
    """Require a payload of type "e" with the name of the call (WIRE-2)."""
    if not seen.arrived or (seen.payload is None and Odd.AMOUNT in seen.call.oddities):
        return False  # NaN in the body makes it invalid JSON, which is left to REV-7.
    payload = read_payload(seen.arrived[0].body)
    if payload.get("t") != "e":
        raise Violation(f'the payload differs at t: expected "e", got {describe(payload.get("t"))}')
    name = seen.call.name.replace("{token}", seen.token)
    # The repair of ill-formed text is left to PROP-6.
    if payload.get("n") not in (name, model.repaired(name)):
        found = describe(payload.get("n"))
        raise Violation(f"the payload differs at n: expected {describe(model.repaired(name))}, got {found}")
    return True


def equal_lists(seen: Observation) -> bool:
    """Require that ``mk`` and ``mv`` are lists of strings of equal length (WIRE-3)."""
    if seen.payload is None:
        return False
    keys, values = seen.payload.get("mk", []), seen.payload.get("mv", [])
    for name, members in (("mk", keys), ("mv", values)):
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise Violation(f"{name} is not a list of strings: {describe(members)}")
    if len(keys) != len(values):
        raise Violation(f"mk has {len(keys)} members and mv {len(values)}")
    return True


def no_value_costs_the_event(seen: Observation) -> bool:
    """Require that every value becomes a string and that none loses the event (PROP-5)."""
    entries = seen.call.entries
    others = any(entry.kind is ValueKind.OTHER for entry in entries or ())
    if not seen.arrived and others and odd_at_most(seen.call, Odd.NUL, throwing=True):
        raise Violation("no request arrived: a property value cost the event")
    return seen.sent_pairs is not None and property_conditions.nothing_but_text(entries, seen.sent_pairs)


def no_revenue(seen: Observation) -> bool:
    """Require no ``ra`` and no ``rc`` if the call has no revenue (REV-4)."""
    if seen.call.revenue is not None or seen.payload is None:
        return False
    for key in ("ra", "rc"):
        if key in seen.payload:
            raise Violation(f"expected no {key}, got {describe(seen.payload[key])}")
    return True


def no_wrong_amount(seen: Observation) -> bool:
    """Require that an amount that is not a finite number is dropped without the event (REV-7)."""
    call = seen.call
    if call.revenue is None or call.amount is not None:
        return False
    if not seen.arrived:
        return blame(odd_only(seen.call, Odd.AMOUNT), "no request arrived: an amount cost the event")
    # NaN in the body makes it invalid JSON: reading it raises Violation.
    payload = read_payload(seen.arrived[0].body)
    found = payload.get("ra")
    if "ra" in payload and not (call.amount_is_open and isinstance(found, Decimal)):
        raise Violation(f"expected no ra, got {describe(found)}")
    return True


def refund_is_sent(seen: Observation) -> bool:
    """Require that an amount of zero or below is sent as it is (REV-6)."""
    call = seen.call
    if call.amount is None or call.amount > 0 or call.currency is None:
        return False
    if not seen.arrived:
        return blame(odd_only(call, Odd.REFUND), "no request arrived: an amount cost the event")
    return seen.payload is not None and property_conditions.refund(call.amount, seen.payload.get("ra"))


def currency_costs_no_event(seen: Observation) -> bool:
    """Require that an invalid currency does not lose the event (REV-8)."""
    if seen.call.revenue is None or seen.call.currency is not None:
        return False
    if not seen.arrived:
        return blame(odd_only(seen.call, Odd.CURRENCY), "no request arrived: a currency cost the event")
    return seen.payload is not None


def sent_currency(seen: Observation) -> bool:
    """Require the currency of the call, or USD without one (REV-2)."""
    wanted = seen.call.currency
    if wanted is None or seen.call.amount is None or not seen.payload or "ra" not in seen.payload:
        return False
    if seen.payload.get("rc") != wanted:
        raise Violation(f"expected rc {describe(wanted)}, got {describe(seen.payload.get('rc'))}")
    return True


def sent_amount(level: Level) -> Condition:
    """Return the condition that an amount which REV-1 binds at ``level`` is sent exactly."""

    def condition(seen: Observation) -> bool:
        # An invalid currency may cost the revenue, which is left to REV-8.
        if seen.payload is None or seen.call.currency is None or is_refund(seen.call.amount):
            return False
        return property_conditions.exact_amount(seen.call.amount, seen.payload.get("ra"), level)

    return condition
