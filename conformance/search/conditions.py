"""The requirements as conditions on whatever was drawn, by the id of their cases.

A condition looks at one example and what came of it. It returns whether the example had anything to do with
it, and raises Violation. A lost event is held against one requirement: that of the only odd part of the
example (see ``oddities``), and WIRE-4, STORE-1 or PROP-5 if no part is odd.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Lane, Level
from conformance.readback import StoredRow
from conformance.search import model, property_conditions
from conformance.search.bodies import Body, Meaning, without_nul
from conformance.search.calls import Call
from conformance.search.model import ValueKind
from conformance.search.observation import Observation, Pairs
from conformance.search.oddities import Odd

Condition = Callable[[Observation], bool]


# ---- tracker: the call and what arrived ----


def _never_throws(seen: Observation) -> bool:
    if seen.thrown:
        raise Violation(f"the call threw {seen.thrown} into the page")
    if seen.raised:
        raise Violation(f"the call raised {seen.raised[0]!r} in the page, where nobody can catch it")
    if not seen.next_works:
        raise Violation("a plain call made afterwards sent nothing")
    return True


def _one_request(seen: Observation) -> bool:
    number = len(seen.arrived or ())
    if not number and not _odd_at_most(seen.call, Odd.NUL, throwing=True):
        return False
    if number != 1:
        raise Violation(f"expected 1 request, got {number}")
    return True


def _one_object(seen: Observation) -> bool:
    if not seen.arrived or (seen.payload is None and Odd.AMOUNT in seen.call.oddities):
        return False  # NaN, written into the body, leaves no JSON: REV-7's to say.
    payload = read_payload(seen.arrived[0].body)
    if payload.get("t") != "e":
        raise Violation(f'the payload differs at t: expected "e", got {describe(payload.get("t"))}')
    name = seen.call.name.replace("{token}", seen.token)
    # Whether ill-formed text is repaired is PROP-6's to say.
    if payload.get("n") not in (name, model.repaired(name)):
        found = describe(payload.get("n"))
        raise Violation(f"the payload differs at n: expected {describe(model.repaired(name))}, got {found}")
    return True


def _equal_lists(seen: Observation) -> bool:
    if seen.payload is None:
        return False
    keys, values = seen.payload.get("mk", []), seen.payload.get("mv", [])
    for name, members in (("mk", keys), ("mv", values)):
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise Violation(f"{name} is no list of strings: {describe(members)}")
    if len(keys) != len(values):
        raise Violation(f"mk has {len(keys)} members and mv {len(values)}")
    return True


def _no_value_costs_the_event(seen: Observation) -> bool:
    entries = seen.call.entries
    others = any(entry.kind is ValueKind.OTHER for entry in entries or ())
    if not seen.arrived and others and _odd_at_most(seen.call, Odd.NUL, throwing=True):
        raise Violation("no request arrived: a value cost the event")
    return seen.sent_pairs is not None and property_conditions.nothing_but_text(entries, seen.sent_pairs)


def _no_revenue(seen: Observation) -> bool:
    if seen.call.revenue is not None or seen.payload is None:
        return False
    for key in ("ra", "rc"):
        if key in seen.payload:
            raise Violation(f"expected no {key}, got {describe(seen.payload[key])}")
    return True


def _no_wrong_amount(seen: Observation) -> bool:
    call = seen.call
    if call.revenue is None or call.amount is not None:
        return False
    if not seen.arrived:
        return _blame(_odd_only(seen.call, Odd.AMOUNT), "no request arrived: an amount cost the event")
    # NaN, written into the body, leaves no JSON at all.
    payload = read_payload(seen.arrived[0].body)
    found = payload.get("ra")
    if "ra" in payload and not (call.amount_is_open and isinstance(found, Decimal)):
        raise Violation(f"expected no ra, got {describe(found)}")
    return True


def _refund_is_sent(seen: Observation) -> bool:
    call = seen.call
    if call.amount is None or call.amount > 0 or call.currency is None:
        return False
    if not seen.arrived:
        return _blame(_odd_only(call, Odd.REFUND), "no request arrived: an amount cost the event")
    return seen.payload is not None and property_conditions.refund(call.amount, seen.payload.get("ra"))


def _currency_costs_no_event(seen: Observation) -> bool:
    if seen.call.revenue is None or seen.call.currency is not None:
        return False
    if not seen.arrived:
        return _blame(_odd_only(seen.call, Odd.CURRENCY), "no request arrived: a currency cost the event")
    return seen.payload is not None


def _sent_currency(seen: Observation) -> bool:
    wanted = seen.call.currency
    if wanted is None or seen.call.amount is None or not seen.payload or "ra" not in seen.payload:
        return False
    if seen.payload.get("rc") != wanted:
        raise Violation(f"expected rc {describe(wanted)}, got {describe(seen.payload.get('rc'))}")
    return True


def _is_refund(amount: Decimal | None) -> bool:
    """Return True for an amount of zero or below, which is REV-6's to say."""
    return amount is not None and amount <= 0


def _sent_amount(level: Level) -> Condition:
    def condition(seen: Observation) -> bool:
        # What a currency that is none does to the amount is REV-8's to say: it may cost the revenue.
        if seen.payload is None or seen.call.currency is None or _is_refund(seen.call.amount):
            return False
        return property_conditions.exact_amount(seen.call.amount, seen.payload.get("ra"), level)

    return condition


def _odd_at_most(call: Call, *excused: Odd, throwing: bool = False) -> bool:
    """Return True if the call has no odd part but these, and code that throws if that counts for nothing."""
    return call.oddities <= {*excused, *((Odd.THROWS,) if throwing else ())}


def _odd_only(example: Call | Body, odd: Odd) -> bool:
    """Return True if this is the only odd part of an example; what throws in it belongs to it."""
    return odd in example.oddities and example.oddities <= {odd, Odd.THROWS, Odd.NUL}


def _blame(sure: bool, text: str) -> bool:
    """Raise Violation if it is sure that this requirement is at fault; otherwise there is nothing to see."""
    if sure:
        raise Violation(text)
    return False


# ---- server: the request, its answer and the rows ----


def _proper_answer(seen: Observation) -> bool:
    reply, meaning = seen.reply, seen.body.meaning
    assert reply
    if reply.status is None or reply.status >= 500:
        raise Violation(f"expected an answer below 500, got {reply}")
    if meaning is Meaning.NO_EVENT and reply.status // 100 != 4:
        raise Violation(f"this is no event: expected 4xx, got {reply}")
    if meaning is Meaning.NO_EVENT and seen.rows:
        raise Violation(f"this is no event, and it left {len(seen.rows)} rows")
    return meaning is Meaning.NO_EVENT


def _accepted(seen: Observation) -> bool:
    assert seen.reply
    if seen.body.plain and not seen.reply.accepted:
        raise Violation(f"expected 2xx, got {seen.reply}")
    return seen.body.plain


def _lists_cost_no_event(seen: Observation) -> bool:
    return Odd.LISTS in seen.body.oddities and _kept(seen, Odd.LISTS)


def _money_costs_no_event(odd: Odd) -> Condition:
    def condition(seen: Observation) -> bool:
        if odd not in seen.body.oddities or not _kept(seen, odd):
            return False
        return odd is Odd.CURRENCY or _stores_no_wrong_amount(seen)

    return condition


def _stores_no_wrong_amount(seen: Observation) -> bool:
    if not seen.body.amount_is_open and seen.stored_amount is not None:
        raise Violation(f"expected no amount, got {describe(seen.stored_amount)}")
    return True


def _refund_is_stored(seen: Observation) -> bool:
    example: Any = seen.example
    if example.amount is None or example.amount > 0 or example.currency is None:
        return False
    kept = bool(seen.rows) if isinstance(example, Call) else _kept(seen, Odd.REFUND)
    return kept and property_conditions.refund(example.amount, seen.stored_amount)


def _kept(seen: Observation, odd: Odd | None = None) -> bool:
    """Return True if the event left rows. Raises Violation if it is lost, and nothing but ``odd`` is odd."""
    assert seen.reply
    if seen.body.meaning is not Meaning.EVENT:
        return False
    sure = _odd_only(seen.body, odd) if odd else not seen.body.oddities
    if not seen.reply.accepted:
        return _blame(sure, f"it costs the event: expected 2xx, got {seen.reply}")
    if seen.rows is not None and not seen.rows:
        return _blame(sure, "it costs the event: accepted, and no row was stored")
    return bool(seen.rows)


def _one_row(seen: Observation) -> bool:
    assert seen.reply
    if seen.body.meaning is not Meaning.EVENT or not seen.reply.accepted or seen.rows is None:
        return False
    return (bool(seen.rows) or seen.body.plain) and _is_row_of(seen, seen.body.members["n"])


def _values_cost_no_event(kind: ValueKind, condition: property_conditions.Condition) -> Condition:
    """Return the condition for values of a kind: their text, and that none of them costs the event."""
    of_pairs = _of_pairs(condition, stored=True)

    def of(seen: Observation) -> bool:
        kinds = {entry.kind for entry in seen.body.entries or ()} - {ValueKind.TEXT, ValueKind.LONG}
        if kinds == {kind}:
            _kept(seen)
        return of_pairs(seen)

    return of


def _same_again(seen: Observation) -> bool:
    if seen.again is None or not seen.rows:
        return False
    for column in ("meta_keys", "meta_values", "revenue_source_amount", "revenue_source_currency"):
        once, twice = getattr(seen.rows[0], column), getattr(seen.again, column)
        if once != twice:
            once, twice = (list(v) if isinstance(v, tuple) else v for v in (once, twice))
            raise Violation(f"{column} is {describe(once)}; sent again, it became {describe(twice)}")
    return True


def _neighbour_unharmed(seen: Observation) -> bool:
    if seen.neighbour is None:
        return False
    if seen.neighbour != 1:
        raise Violation(f"a plain event sent just after it left {seen.neighbour} rows, expected 1")
    return True


def _row_without_revenue(seen: Observation) -> bool:
    given = "ra" in seen.body.members or "rc" in seen.body.members
    if seen.body.meaning is not Meaning.EVENT or given or not seen.rows:
        return False
    if seen.stored_amount is not None or seen.rows[0].revenue_source_currency not in (None, ""):
        found = f"{describe(seen.stored_amount)} {describe(seen.rows[0].revenue_source_currency)}"
        raise Violation(f"expected no revenue, got {found}")
    return True


def _stored_currency(seen: Observation) -> bool:
    example: Any = seen.example
    if not seen.rows or example.amount is None or example.currency is None or seen.stored_amount is None:
        return False
    found = seen.rows[0].revenue_source_currency
    if found != example.currency:
        raise Violation(f"expected the currency {describe(example.currency)}, got {describe(found)}")
    return True


def _stored_amount(level: Level) -> Condition:
    def condition(seen: Observation) -> bool:
        example: Any = seen.example
        if not seen.rows or example.currency is None or _is_refund(example.amount):
            return False
        return property_conditions.exact_amount(example.amount, seen.stored_amount, level)

    return condition


# ---- pair: the call, the wire and the row ----


def _call_is_row(seen: Observation) -> bool:
    plain = _odd_at_most(seen.call, throwing=True)
    if not seen.arrived:
        return _blame(plain, "no request arrived: the event is lost")
    return seen.rows is not None and (bool(seen.rows) or plain) and _is_row_of(seen, seen.call.name)


def _row_is_wire(seen: Observation) -> bool:
    wire, stored = seen.sent_pairs, seen.stored_pairs
    if wire is None or not seen.rows or not _conformant(wire):
        return False
    if stored is None or list(wire) != list(stored):
        raise Violation(
            f"the wire had {describe([list(p) for p in wire])}, the row has {describe(_listed(stored))}"
        )
    return bool(wire)


def _revenue_is_wire(seen: Observation) -> bool:
    payload = seen.payload or {}
    amount, currency = payload.get("ra"), payload.get("rc")
    if not seen.rows or not isinstance(amount, Decimal) or not model.is_code(currency):
        return False
    if model.binding(amount) is not Level.MUST or _is_refund(amount):
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
    # What becomes of other keys is open (PROP-8), and of equal ones PROP-7's to say.
    keys = [key for key, _ in pairs]
    return len(set(keys)) == len(keys) and not any(model.is_open_key(key) for key in keys)


def _listed(pairs: Pairs | None) -> list[list[Any]]:
    return [list(pair) for pair in pairs or ()]


def _row_without_revenue_of_call(seen: Observation) -> bool:
    if seen.call.revenue is not None or not seen.rows:
        return False
    if seen.stored_amount is not None or seen.rows[0].revenue_source_currency not in (None, ""):
        raise Violation(f"expected no revenue, got {describe(seen.stored_amount)}")
    return True


def _row_without_wrong_amount(seen: Observation) -> bool:
    call = seen.call
    if call.revenue is None or call.amount is not None or not seen.rows:
        return False
    if seen.stored_amount is not None and not call.amount_is_open:
        raise Violation(f"expected no amount, got {describe(seen.stored_amount)}")
    return True


def _is_row_of(seen: Observation, name: str) -> bool:
    assert seen.rows is not None
    if len(seen.rows) != 1:
        raise Violation(f"expected 1 row, got {len(seen.rows)}")
    row: StoredRow = seen.rows[0]
    wanted = model.repaired(name.replace("{token}", seen.token))
    # What becomes of an ill-formed name is PROP-6's to say.
    fine = any(row.name == text for text in without_nul({wanted})) or model.ill_formed(name)
    if row.type != "custom" or not fine:
        raise Violation(f"expected custom {describe(wanted)}, got {describe(row.type)} {describe(row.name)}")
    return True


# ---- properties: the same of a call on the wire, of a request in its row, of a call in its row ----

_SHARED: Mapping[str, property_conditions.Condition] = {
    "prop-1-fuzz": property_conditions.order_and_pairing,
    "prop-2-fuzz": property_conditions.first_thirty,
    "prop-3-fuzz": property_conditions.cut_values,
    "prop-4-fuzz": property_conditions.simple_values,
    "prop-5-fuzz": property_conditions.nothing_but_text,
}


def _of_pairs(condition: property_conditions.Condition, *, stored: bool) -> Condition:
    def of(seen: Observation) -> bool:
        pairs = seen.stored_pairs if stored else seen.sent_pairs
        example: Any = seen.example
        entries = example.entries
        if pairs is None or (entries is None and condition is not property_conditions.nothing_but_text):
            return False
        # How lists that do not fit each other are paired, equal keys among them, is PROP-7's to say.
        if condition is not property_conditions.nothing_but_text and Odd.LISTS in example.oddities:
            return False
        return condition(entries, pairs)

    return of


def _well_formed(*, stored: bool) -> Condition:
    of_pairs = _of_pairs(property_conditions.well_formed, stored=stored)

    def condition(seen: Observation) -> bool:
        example: Any = seen.example
        if _ill_formed_text_costs_the_event(seen, stored=stored):
            raise Violation("the event is lost: ill-formed text cost it")
        name = example.name if isinstance(example, Call) else example.members.get("n")
        found = (seen.rows[0].name if seen.rows else None) if stored else (seen.payload or {}).get("n")
        if not isinstance(name, str) or not isinstance(found, str) or not model.ill_formed(name):
            return of_pairs(seen)
        wanted = model.repaired(name.replace("{token}", seen.token))
        if found not in without_nul({wanted}):
            raise Violation(f"the name: expected {describe(wanted)}, got {describe(found)}")
        of_pairs(seen)
        return True

    return condition


def _ill_formed_text_costs_the_event(seen: Observation, *, stored: bool) -> bool:
    example: Any = seen.example
    if not _odd_only(example, Odd.TEXT) or Odd.THROWS in example.oddities:
        return False
    if isinstance(example, Call):
        return not seen.arrived or (stored and seen.rows is not None and not seen.rows)
    if example.meaning is not Meaning.EVENT or seen.reply is None:
        return False
    return not seen.reply.accepted or (seen.rows is not None and not seen.rows)


def _throwing_values(conditions: Mapping[str, Condition]) -> Condition:
    """Return the condition for calls with arguments whose own code throws: there, all of these are SHOULD."""

    def of(seen: Observation) -> bool:
        return seen.call.throws and sum(condition(seen) for condition in conditions.values()) > 0

    return of


def _other_values(conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """Return the conditions for calls without such arguments: a drawn MUST is no stricter than a vector."""

    def of(condition: Condition) -> Condition:
        return lambda seen: not seen.call.throws and condition(seen)

    return {id_: of(condition) for id_, condition in conditions.items()}


# What binds a call and its request (MUST), but for arguments whose own code throws.
_OF_CALLS: Mapping[str, Condition] = {
    **{id_: _of_pairs(condition, stored=False) for id_, condition in _SHARED.items()},
    "prop-5-fuzz": _no_value_costs_the_event,
    "rev-1-fuzz": _sent_amount(Level.MUST),
    "rev-2-fuzz": _sent_currency,
    "rev-4-fuzz": _no_revenue,
    "wire-2-fuzz": _one_object,
    "wire-3-fuzz": _equal_lists,
    "wire-4-fuzz": _one_request,
}
_OF_CALLS_IN_ROWS: Mapping[str, Condition] = {
    **{id_: _of_pairs(condition, stored=True) for id_, condition in _SHARED.items()},
    "rev-1-fuzz": _stored_amount(Level.MUST),
    "rev-2-fuzz": _stored_currency,
    "rev-4-fuzz": _row_without_revenue_of_call,
    "store-1-fuzz": _call_is_row,
    "store-2-fuzz": _row_is_wire,
    "store-3-fuzz": _revenue_is_wire,
}

CONDITIONS: Mapping[Lane, Mapping[str, Condition]] = {
    Lane.TRACKER: {
        **_other_values(_OF_CALLS),
        "prop-5-fuzz-throwing": _throwing_values(_OF_CALLS),
        "prop-6-fuzz": _well_formed(stored=False),
        "api-5-fuzz": _never_throws,
        "rev-1-fuzz-finer": _sent_amount(Level.SHOULD),
        "rev-6-fuzz": _refund_is_sent,
        "rev-7-fuzz": _no_wrong_amount,
        "rev-8-fuzz": _currency_costs_no_event,
    },
    Lane.SERVER: {
        **{id_: _of_pairs(condition, stored=True) for id_, condition in _SHARED.items()},
        "prop-4-fuzz": _values_cost_no_event(ValueKind.SIMPLE, property_conditions.simple_values),
        "prop-5-fuzz": _values_cost_no_event(ValueKind.OTHER, property_conditions.nothing_but_text),
        "prop-6-fuzz": _well_formed(stored=True),
        "prop-7-fuzz": _lists_cost_no_event,
        "rev-1-fuzz": _stored_amount(Level.MUST),
        "rev-1-fuzz-finer": _stored_amount(Level.SHOULD),
        "rev-2-fuzz": _stored_currency,
        "rev-4-fuzz": _row_without_revenue,
        "rev-6-fuzz": _refund_is_stored,
        "rev-7-fuzz": _money_costs_no_event(Odd.AMOUNT),
        "rev-8-fuzz": _money_costs_no_event(Odd.CURRENCY),
        "store-1-fuzz": _one_row,
        "store-2-fuzz": _same_again,
        "store-5-fuzz": _neighbour_unharmed,
        "wire-6-fuzz": _accepted,
        "wire-8-fuzz": _proper_answer,
    },
    Lane.PAIR: {
        **_other_values(_OF_CALLS_IN_ROWS),
        "prop-5-fuzz-throwing": _throwing_values(_OF_CALLS_IN_ROWS),
        "prop-6-fuzz": _well_formed(stored=True),
        "rev-6-fuzz": _refund_is_stored,
        "rev-7-fuzz": _row_without_wrong_amount,
    },
}
