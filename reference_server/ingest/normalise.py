"""Conversion of a decoded payload to an event within the limits of the protocol. Pure and idempotent."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from reference_server.event import (
    AMOUNT_LIMIT,
    AMOUNT_SCALE,
    DEFAULT_CURRENCY,
    KEY_BYTES,
    NAME_BYTES,
    PROPERTY_LIMIT,
    Event,
    Note,
    NoteCode,
)
from reference_server.text import MEMBER_LIMIT, VALUE_LIMIT, Allowance, cut, js_string, well_formed

_TYPES = {"e": "custom", "p": "pageview"}
_STEP = Decimal(1).scaleb(-AMOUNT_SCALE)
_ROUNDING = Context(prec=AMOUNT_LIMIT.adjusted() + AMOUNT_SCALE + 2, rounding=ROUND_HALF_EVEN)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class Rejected(Exception):
    """The payload is not an event; the message says why (WIRE-8)."""


def normalise(payload: Mapping[str, Any]) -> Event:
    """Return the event that a payload describes; members that are not documented are ignored (WIRE-6).

    Raises Rejected if the type is unknown or the name missing (WIRE-8), or if the name or a property's
    key exceeds NAME_BYTES or KEY_BYTES. Values can be cut; names and keys cannot without changing their
    meaning.
    """
    letter = payload.get("t")
    if not isinstance(letter, str) or letter not in _TYPES:
        raise Rejected('t must be "e" for a custom event or "p" for a pageview')
    custom = letter == "e"
    name = payload.get("n")
    if custom and not (isinstance(name, str) and name):
        raise Rejected("n must be the name of the event, a non-empty string")
    notes: list[Note] = []
    keys, values = _properties(payload, notes)
    # Only custom events have revenue.
    amount, currency = _revenue(payload, notes) if custom else (None, "")
    return Event(
        type=_TYPES[letter],
        name=_within(NAME_BYTES, name, "n") if isinstance(name, str) else "",
        meta_keys=keys,
        meta_values=values,
        amount=amount,
        currency=currency,
        domain=_address(payload, "d"),
        url=_address(payload, "u"),
        referrer=_address(payload, "r"),
        session=_identifier(payload, "s", notes),
        pageview=_identifier(payload, "p", notes),
        notes=tuple(notes),
    )


def _properties(payload: Mapping[str, Any], notes: list[Note]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the properties as strings, in pairs and in order (PROP-1, PROP-7).

    At most 30 are kept (PROP-2), and each value is cut to 2,000 characters (PROP-3).
    """
    keys, values = _array(payload, "mk", notes), _array(payload, "mv", notes)
    if len(keys) != len(values):
        text = f"mk has {len(keys)} members and mv {len(values)}: the rest of the longer one dropped"
        notes.append(Note(NoteCode.UNPAIRED, text))
    length = min(len(keys), len(values))
    if length > PROPERTY_LIMIT:
        notes.append(Note(NoteCode.TOO_MANY, f"{length} properties: the first {PROPERTY_LIMIT} kept"))
    kept, allowance = min(length, PROPERTY_LIMIT), Allowance()
    names = _strings(keys[:kept], notes, "mk", allowance)
    whole = _strings(values[:kept], notes, "mv", allowance)
    if not allowance.members:
        text = f"arrays with more than {MEMBER_LIMIT:,} members: only the first {MEMBER_LIMIT:,} kept"
        notes.append(Note(NoteCode.MEMBERS, text))
    # One character beyond the limit is kept, so that the cut below happens and is noted; the rest is ignored.
    whole = [well_formed(text[: VALUE_LIMIT + 1]) for text in whole]
    short = tuple(map(cut, whole))
    changed = sum(before != after for before, after in zip(whole, short, strict=True))
    if changed:
        notes.append(Note(NoteCode.CUT, f"values cut to {VALUE_LIMIT} characters: {changed}"))
    return tuple(_within(KEY_BYTES, text, "a member of mk") for text in names), short


def _strings(members: list[Any], notes: list[Note], key: str, allowance: Allowance) -> list[str]:
    """Return all members as strings (PROP-4, PROP-5, PROP-7)."""
    converted = sum(not isinstance(member, str) for member in members)
    if not converted:
        return members
    notes.append(Note(NoteCode.CONVERTED, f"members of {key} converted to strings: {converted}"))
    return [js_string(member, allowance) for member in members]


def _within(limit: int, text: str, key: str) -> str:
    """Return text as well-formed Unicode. Raises Rejected if it has more than ``limit`` bytes of UTF-8."""
    kept = well_formed(text[: limit + 1])
    if len(kept) > limit or (not kept.isascii() and len(kept.encode()) > limit):
        raise Rejected(f"{key} must have at most {limit:,} bytes of UTF-8")
    return kept


def _array(payload: Mapping[str, Any], key: str, notes: list[Note]) -> list[Any]:
    value = payload.get(key)
    if isinstance(value, list):
        return value
    if value is not None:
        notes.append(Note(NoteCode.NO_ARRAY, f"{key} is not an array: no properties"))
    return []


def _revenue(payload: Mapping[str, Any], notes: list[Note]) -> tuple[Decimal | None, str]:
    """Return amount and currency together, or neither (REV-4), for an event of any name (REV-5).

    The amount is exact (REV-1) and may be zero or negative (REV-6); if it is no finite number, there is no
    revenue (REV-7). A missing currency means USD (REV-2). Revenue whose currency is not a three-letter code
    is dropped: under USD the amount would be wrong, and under the code as sent it would belong to no total.
    The event is kept in any case (REV-8). Codes are stored in capitals, so that eur and EUR are one currency.
    """
    if "ra" not in payload:
        return None, ""
    amount = _amount(payload["ra"])
    if amount is None:
        notes.append(
            Note(
                NoteCode.AMOUNT,
                "ra is not a finite number of at most 20 digits before the point: revenue dropped",
            )
        )
        return None, ""
    currency = payload.get("rc")
    if currency is None:
        notes.append(Note(NoteCode.DEFAULT, f"no rc: the currency is {DEFAULT_CURRENCY}"))
        return amount, DEFAULT_CURRENCY
    if not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        notes.append(Note(NoteCode.CURRENCY, "rc is not a three-letter code: revenue dropped"))
        return None, ""
    return amount, currency.upper()


def _amount(value: Any) -> Decimal | None:
    """Return the exact decimal of a JSON number, rounded to the column's scale; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    # A float is the double nearest to what was sent; its shortest representation is what was sent.
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    try:
        rounded = amount.quantize(_STEP, context=_ROUNDING)
    except InvalidOperation:  # More digits than the column holds, or not a number.
        return None
    # Compare exponents: arithmetic would round to the precision of the thread's context.
    if not rounded.is_finite() or rounded.adjusted() >= AMOUNT_LIMIT.adjusted():
        return None
    return rounded if rounded else Decimal(0)  # Never a negative zero.


def _address(payload: Mapping[str, Any], key: str) -> str:
    """Return a domain or URL, cut like a value; "" if it is not a string."""
    value = payload.get(key)
    return cut(well_formed(value[: VALUE_LIMIT + 1])) if isinstance(value, str) else ""


def _identifier(payload: Mapping[str, Any], key: str, notes: list[Note]) -> str:
    """Return a session or page visit id as the tracker sends it; any other value is ignored (STORE-4)."""
    value = payload.get(key)
    if value is None or value == "":
        return ""
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    notes.append(Note(NoteCode.IDENTIFIER, f"{key} is not an identifier: ignored"))
    return ""
