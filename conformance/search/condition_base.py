"""Parts that the conditions of several lanes share: blame, rows, properties, ill-formed text."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.readback import StoredRow
from conformance.search import model, property_conditions
from conformance.search.bodies import Body, Meaning, without_nul
from conformance.search.calls import Call
from conformance.search.observation import Observation
from conformance.search.oddities import Odd

Condition = Callable[[Observation], bool]


def odd_at_most(call: Call, *excused: Odd, throwing: bool = False) -> bool:
    """Return True if the call's odd parts are all excused; ``throwing`` excuses code that throws as well."""
    return call.oddities <= {*excused, *((Odd.THROWS,) if throwing else ())}


def odd_only(example: Call | Body, odd: Odd) -> bool:
    """Return True if ``odd`` is the example's only odd part, apart from code that throws and NUL."""
    return odd in example.oddities and example.oddities <= {odd, Odd.THROWS, Odd.NUL}


def blame(sure: bool, text: str) -> bool:
    """Raise Violation if this requirement is certainly at fault; otherwise return False, not applicable."""
    if sure:
        raise Violation(text)
    return False


def is_refund(amount: Decimal | None) -> bool:
    """Return True for an amount of zero or below, which REV-6 is about."""
    return amount is not None and amount <= 0


def is_row_of(seen: Observation, name: str) -> bool:
    """Require exactly one custom row of this name (STORE-1)."""
    assert seen.rows is not None
    if len(seen.rows) != 1:
        raise Violation(f"expected 1 row, got {len(seen.rows)}")
    row: StoredRow = seen.rows[0]
    wanted = model.repaired(name.replace("{token}", seen.token))
    # Ill-formed names are left to PROP-6.
    fine = any(row.name == text for text in without_nul({wanted})) or model.ill_formed(name)
    if row.type != "custom" or not fine:
        raise Violation(f"expected custom {describe(wanted)}, got {describe(row.type)} {describe(row.name)}")
    return True


def of_pairs(condition: property_conditions.Condition, *, stored: bool) -> Condition:
    """Return a condition on the properties on the wire, or in the row if ``stored``."""

    def of(seen: Observation) -> bool:
        pairs = seen.stored_pairs if stored else seen.sent_pairs
        example: Any = seen.example
        entries = example.entries
        if pairs is None or (entries is None and condition is not property_conditions.nothing_but_text):
            return False
        # Lists that do not match, and equal keys, are left to PROP-7.
        if condition is not property_conditions.nothing_but_text and Odd.LISTS in example.oddities:
            return False
        return condition(entries, pairs)

    return of


def well_formed(*, stored: bool) -> Condition:
    """Return the condition that ill-formed text is repaired, in names too, and loses no event (PROP-6)."""
    properties = of_pairs(property_conditions.well_formed, stored=stored)

    def condition(seen: Observation) -> bool:
        example: Any = seen.example
        if _ill_formed_text_costs_the_event(seen, stored=stored):
            raise Violation("the event is lost because of ill-formed text")
        name = example.name if isinstance(example, Call) else example.members.get("n")
        found = (seen.rows[0].name if seen.rows else None) if stored else (seen.payload or {}).get("n")
        if not isinstance(name, str) or not isinstance(found, str) or not model.ill_formed(name):
            return properties(seen)
        wanted = model.repaired(name.replace("{token}", seen.token))
        if found not in without_nul({wanted}):
            raise Violation(f"the name: expected {describe(wanted)}, got {describe(found)}")
        properties(seen)
        return True

    return condition


def _ill_formed_text_costs_the_event(seen: Observation, *, stored: bool) -> bool:
    example: Any = seen.example
    if not odd_only(example, Odd.TEXT) or Odd.THROWS in example.oddities:
        return False
    if isinstance(example, Call):
        return not seen.arrived or (stored and seen.rows is not None and not seen.rows)
    if example.meaning is not Meaning.EVENT or seen.reply is None:
        return False
    return not seen.reply.accepted or (seen.rows is not None and not seen.rows)
