"""Expected forms of texts, numbers and keys. Vectors: ``tests/search/test_model.py``."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from conformance.protocol.requirements import Level

PROPERTY_LIMIT = 30  # PROP-2
VALUE_LIMIT = 2000  # PROP-3

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")
# Names on every JavaScript object: PROP-8 leaves open if properties with such keys survive.
_PROTOTYPE_NAMES = frozenset(
    [
        "__proto__",
        "constructor",
        "toString",
        "toLocaleString",
        "valueOf",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
    ]
)
_LONG_KEY = 200


class ValueKind(StrEnum):
    """Kind of a property value, by the requirement about it."""

    TEXT = "text"  # PROP-1: arrives unchanged
    LONG = "long"  # PROP-3: is cut
    BENT = "bent"  # PROP-6: is ill-formed, or has a surrogate pair across the cut
    SIMPLE = "simple"  # PROP-4: a number or a boolean
    OTHER = "other"  # PROP-5: becomes some string


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A property as it must arrive. ``texts`` are the allowed values, None for any string.

    Without a ``key`` (None) its form is open; an ``optional`` property may be left out; ``bent_key`` marks
    an ill-formed key (PROP-6).
    """

    key: str | None
    kind: ValueKind
    texts: frozenset[str] | None = None
    optional: bool = False
    bent_key: bool = False


def joined(text: str) -> str:
    """Return the text with surrogate pairs joined to characters, as JavaScript treats them."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def repaired(text: str) -> str:
    """Return the text with U+FFFD for every lone surrogate (PROP-6)."""
    return _LONE.sub("\ufffd", joined(text))


def ill_formed(text: str) -> bool:
    """Return True if the text has a lone surrogate."""
    return bool(_LONE.search(joined(text)))


def is_open_key(key: str) -> bool:
    """Return True if PROP-8 leaves open the survival of a property with this key."""
    return not key.strip() or key in _PROTOTYPE_NAMES or len(key) > _LONG_KEY


def units(text: str) -> int:
    """Return the length in UTF-16 code units, as JavaScript counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def text_entry(key: str, text: str) -> Entry:
    """Return the entry of a text value (PROP-1, PROP-3, PROP-6)."""
    whole = repaired(text)
    kept = _unit_cuts(whole)
    astride = len(kept) > 1
    # PROP-6: a target that counts code points passes as well.
    texts = kept | {whole[:VALUE_LIMIT]}
    kind = ValueKind.TEXT if units(whole) <= VALUE_LIMIT else ValueKind.LONG
    if ill_formed(text) or astride:
        kind = ValueKind.BENT
    return _entry(key, kind, frozenset(texts))


def simple_entry(key: str, text: str) -> Entry:
    """Return the entry of a number or a boolean, ``text`` being what JavaScript prints for it (PROP-4)."""
    return _entry(key, ValueKind.SIMPLE, frozenset({text}))


def other_entry(key: str, *, optional: bool) -> Entry:
    """Return the entry of a value that becomes some string (PROP-5), ``optional`` if that throws."""
    entry = _entry(key, ValueKind.OTHER, None)
    return Entry(key=entry.key, kind=entry.kind, optional=optional or entry.optional, bent_key=entry.bent_key)


def number_text(number: float) -> str:
    """Return a finite number as JavaScript prints it (ECMAScript, Number::toString)."""
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(float(number))).normalize().as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits))
    place = len(figures) + exponent
    if len(figures) <= place <= 21:
        text = figures + "0" * (place - len(figures))
    elif 0 < place <= 21:
        text = f"{figures[:place]}.{figures[place:]}"
    elif -6 < place <= 0:
        text = "0." + "0" * -place + figures
    else:
        mantissa = figures[0] + (f".{figures[1:]}" if figures[1:] else "")
        text = f"{mantissa}e{'+' if place > 0 else '-'}{abs(place - 1)}"
    return f"-{text}" if sign else text


def enumerated(keys: Iterable[str]) -> list[str]:
    """Return keys in JavaScript's order of an object's keys: array indices first (PROP-2)."""
    own = list(dict.fromkeys(joined(key) for key in keys))
    indices = [key for key in own if _is_index(key)]
    return sorted(indices, key=int) + [key for key in own if not _is_index(key)]


def binding(amount: Decimal) -> Level:
    """Return REV-1's level for an amount: MUST to 2 decimals, SHOULD to 4, MAY beyond or over 15 digits."""
    _, digits, exponent = amount.normalize().as_tuple()
    assert isinstance(exponent, int)
    decimals, figures = max(-exponent, 0), max(len(digits), len(digits) + exponent)
    if figures > 15:
        return Level.MAY
    return Level.MUST if decimals <= 2 else Level.SHOULD if decimals <= 4 else Level.MAY


def is_code(currency: object) -> bool:
    """Return True for a three-letter code in capitals (REV-2)."""
    return isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) is not None


def _entry(key: str, kind: ValueKind, texts: frozenset[str] | None) -> Entry:
    return Entry(
        key=repaired(key), kind=kind, texts=texts, optional=is_open_key(key), bent_key=ill_formed(key)
    )


def _unit_cuts(whole: str) -> set[str]:
    """Return the allowed cuts to 2,000 units: if one splits a pair, the half goes or becomes U+FFFD."""
    size = 0
    for index, character in enumerate(whole):
        size += 2 if character > "\uffff" else 1
        if size == VALUE_LIMIT:
            return {whole[: index + 1]}
        if size > VALUE_LIMIT:
            return {whole[:index], whole[:index] + "\ufffd"}
    return {whole}


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < 2**32 - 1
