"""From a decoded payload to an event within the limits of the protocol: pure, and idempotent."""

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
_LETTERS = {kind: letter for letter, kind in _TYPES.items()}
_STEP = Decimal(1).scaleb(-AMOUNT_SCALE)
_ROUNDING = Context(prec=AMOUNT_LIMIT.adjusted() + AMOUNT_SCALE + 2, rounding=ROUND_HALF_EVEN)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class Rejected(Exception):
    """The payload is no event; the message says why (WIRE-8)."""


def normalise(payload: Mapping[str, Any]) -> Event:
    """Return the event that a payload means.

    Raises Rejected for an unknown type or no name (WIRE-8), and for a name or the name of a property beyond
    NAME_BYTES and KEY_BYTES: values are cut to a limit, and these can only be refused.
    """
    letter = payload.get("t")
    if not isinstance(letter, str) or letter not in _TYPES:
        raise Rejected('t must be "e" for a custom event or "p" for a pageview')
    custom = letter == "e"
    name = payload.get("n")
    if custom and not (isinstance(name, str) and name):
        raise Rejected("n must be the name of the event: a string that is not empty")
    notes: list[Note] = []
    keys, values = _properties(payload, notes)
    # Money belongs to custom events only: a pageview earns none.
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


def as_payload(event: Event) -> dict[str, Any]:
    """Return the payload that means this event: ``normalise`` leads back to it."""
    payload: dict[str, Any] = {
        "t": _LETTERS[event.type],
        "n": event.name,
        "mk": list(event.meta_keys),
        "mv": list(event.meta_values),
        "d": event.domain,
        "u": event.url,
        "r": event.referrer,
        "s": event.session,
        "p": event.pageview,
    }
    if event.amount is not None:
        payload |= {"ra": event.amount, "rc": event.currency}
    return payload


def _properties(payload: Mapping[str, Any], notes: list[Note]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """PROP-1 to PROP-7: pairs in their order, the first 30 of them, everything a string, values cut."""
    keys, values = _array(payload, "mk", notes), _array(payload, "mv", notes)
    if len(keys) != len(values):
        text = f"mk has {len(keys)} members and mv {len(values)}: paired to the shorter"
        notes.append(Note(NoteCode.UNPAIRED, text))
    length = min(len(keys), len(values))
    if length > PROPERTY_LIMIT:
        notes.append(Note(NoteCode.TOO_MANY, f"{length} properties: the first {PROPERTY_LIMIT} kept"))
    kept, allowance = min(length, PROPERTY_LIMIT), Allowance()
    names = _strings(keys[:kept], notes, "mk", allowance)
    whole = _strings(values[:kept], notes, "mv", allowance)
    if not allowance.members:
        text = f"arrays of more than {MEMBER_LIMIT} members: the first {MEMBER_LIMIT} written"
        notes.append(Note(NoteCode.MEMBERS, text))
    # What is beyond the limit is not looked at: one character more, so that it is cut, and told.
    whole = [well_formed(text[: VALUE_LIMIT + 1]) for text in whole]
    short = tuple(map(cut, whole))
    changed = sum(before != after for before, after in zip(whole, short, strict=True))
    if changed:
        notes.append(Note(NoteCode.CUT, f"values cut to {VALUE_LIMIT} characters: {changed}"))
    return tuple(_within(KEY_BYTES, text, "a member of mk") for text in names), short


def _strings(members: list[Any], notes: list[Note], key: str, allowance: Allowance) -> list[str]:
    """PROP-4, PROP-5, PROP-7: text of whatever there is."""
    converted = sum(not isinstance(member, str) for member in members)
    if not converted:
        return members
    notes.append(Note(NoteCode.CONVERTED, f"members of {key} converted to strings: {converted}"))
    return [js_string(member, allowance) for member in members]


def _within(limit: int, text: str, key: str) -> str:
    """Return well-formed text of at most so many bytes of UTF-8. Raises Rejected."""
    kept = well_formed(text[: limit + 1])
    if len(kept) > limit or (not kept.isascii() and len(kept.encode()) > limit):
        raise Rejected(f"{key} has more than {limit} bytes of UTF-8, which is the limit")
    return kept


def _array(payload: Mapping[str, Any], key: str, notes: list[Note]) -> list[Any]:
    value = payload.get(key)
    if isinstance(value, list):
        return value
    if value is not None:
        notes.append(Note(NoteCode.NO_ARRAY, f"{key} is no array: no properties"))
    return []


def _revenue(payload: Mapping[str, Any], notes: list[Note]) -> tuple[Decimal | None, str]:
    """REV-1 to REV-8: amount and currency together, or neither.

    A currency that is no three-letter code drops the revenue: stored under USD the amount would be wrong, and
    stored under the code as sent it would belong to no total. The event is kept either way (REV-8). Codes are
    stored in capitals, so that eur and EUR are one currency.
    """
    if "ra" not in payload:
        return None, ""
    amount = _amount(payload["ra"])
    if amount is None:
        notes.append(Note(NoteCode.AMOUNT, "ra is no finite number within 20 digits: revenue dropped"))
        return None, ""
    currency = payload.get("rc")
    if currency is None:
        notes.append(Note(NoteCode.DEFAULT, f"no rc: the currency is {DEFAULT_CURRENCY}"))
        return amount, DEFAULT_CURRENCY
    if not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        notes.append(Note(NoteCode.CURRENCY, "rc is no three-letter code: revenue dropped"))
        return None, ""
    return amount, currency.upper()


def _amount(value: Any) -> Decimal | None:
    """The exact decimal that a JSON number spells, rounded where the column ends; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    # A float is the nearest double of what was written; its shortest text is what was written.
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    try:
        rounded = amount.quantize(_STEP, context=_ROUNDING)
    except InvalidOperation:  # More digits than the column has, or none at all.
        return None
    # By its exponent: arithmetic would round to the precision of the thread.
    if not rounded.is_finite() or rounded.adjusted() >= AMOUNT_LIMIT.adjusted():
        return None
    return rounded if rounded else Decimal(0)  # There is no negative zero of money.


def _address(payload: Mapping[str, Any], key: str) -> str:
    """A domain or URL of the page: like a value, it is cut; what is no string is nothing."""
    value = payload.get(key)
    return cut(well_formed(value[: VALUE_LIMIT + 1])) if isinstance(value, str) else ""


def _identifier(payload: Mapping[str, Any], key: str, notes: list[Note]) -> str:
    """A session or page visit as the tracker calls it; what no tracker would send is not taken (STORE-4)."""
    value = payload.get(key)
    if value is None or value == "":
        return ""
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    notes.append(Note(NoteCode.IDENTIFIER, f"{key} is no identifier: ignored"))
    return ""
