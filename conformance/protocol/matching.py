"""Expected values in vectors: literals and ``$`` matchers, and their comparison with observed values.

=======================  ==================================================================
``{"$repeat": [s, n]}``  the string ``s`` repeated ``n`` times
``{"$join": [a, b]}``    the strings concatenated
``{"$series": [s, n]}``  the list of the strings ``s0`` … ``s(n-1)``
``{"$absent": true}``    the member is missing
``{"$any": [a, b]}``     any of these
``{"$noted": [n, a]}``   the value ``a``; if it matches, the run reports the note ``n``
``{"$string": true}``    any string without a lone surrogate
``{"$number": true}``    any finite JSON number
``{"$empty": true}``     null, a missing member, an empty string or an empty list
=======================  ==================================================================

Any other value stands for itself. Numbers are compared as exact decimals: 25 equals 25.0, and 49.99 differs
from 49.990002.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


class Absent:
    """The value of a missing member."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()


def expand(value: Any, token: str) -> Any:
    """Return ``value`` with ``{token}`` filled in, and ``$repeat``, ``$join`` and ``$series`` evaluated."""
    match value:
        case str():
            return value.replace("{token}", token)
        case {"$repeat": [text, times]}:
            return expand(text, token) * times
        case {"$join": [*parts]}:
            return "".join(expand(part, token) for part in parts)
        case {"$series": [text, count]}:
            return [f"{expand(text, token)}{i}" for i in range(count)]
        case dict():
            return {expand(k, token): expand(v, token) for k, v in value.items()}
        case list():
            return [expand(v, token) for v in value]
    return value


def mismatch(expected: Any, actual: Any, where: str = "") -> str | None:
    """Describe the first difference between the expanded ``expected`` and ``actual``; None if they match.

    An object matches if its expected members do; other members are ignored. A list must have the same length.

    >>> mismatch({"mk": ["a"]}, {"mk": ["b"], "extra": 1})
    'mk[0]: expected "a", got "b"'
    """
    match expected:
        case {"$absent": True}:
            return None if actual is ABSENT else _differs(where, "nothing", actual)
        case {"$any": [*choices]}:
            if any(mismatch(choice, actual) is None for choice in choices):
                return None
            return _differs(where, " or ".join(describe(c) for c in choices), actual)
        case {"$noted": [_, value]}:
            return mismatch(value, actual, where)
        case {"$string": True}:
            return None if is_text(actual) else _differs(where, "a well-formed string", actual)
        case {"$number": True}:
            return None if is_number(actual) else _differs(where, "a number", actual)
        case {"$empty": True}:
            return None if actual in (None, "", [], ABSENT) else _differs(where, "nothing", actual)
        case Mapping():
            return _object_mismatch(expected, actual, where)
        case [*_]:
            return _list_mismatch(expected, actual, where)
    return None if _same(expected, actual) else _differs(where, describe(expected), actual)


def notes(expected: Any, actual: Any) -> list[str]:
    """Return the ``$noted`` notes that apply to an ``actual`` that matches ``expected``."""
    match expected:
        case {"$any": [*choices]}:
            taken = next((choice for choice in choices if mismatch(choice, actual) is None), None)
            return notes(taken, actual)
        case {"$noted": [note, _]}:
            return [note]
        case Mapping() if isinstance(actual, Mapping):
            return [note for key, value in expected.items() for note in notes(value, actual.get(key, ABSENT))]
        case [*_] if isinstance(actual, list):
            pairs = zip(expected, actual, strict=False)
            return [note for want, got in pairs for note in notes(want, got)]
    return []


def is_number(value: Any) -> bool:
    """Return True if ``value`` is a finite JSON number; a boolean is not."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return Decimal(str(value)).is_finite()


def is_text(value: Any) -> bool:
    """Return True if ``value`` is a string without a lone surrogate (PROP-6)."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def describe(value: Any) -> str:
    """Return a value or a matcher as one short line for messages."""
    match value:
        case Absent():
            return "nothing"
        case {"$absent": True} | {"$empty": True}:
            return "nothing"
        case {"$any": [*choices]}:
            return " or ".join(describe(c) for c in choices)
        case {"$noted": [_, noted]}:
            return describe(noted)
        case {"$string": True}:
            return "a string"
        case {"$number": True}:
            return "a number"
        case str() if len(value) > 80:
            return f"{_quote(value[:40])}… ({len(value)} characters, ending in {_quote(value[-10:])})"
        case str():
            return _quote(value)
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case [*_] if len(value) > 6:
            return f"[{', '.join(describe(v) for v in value[:3])}, … {len(value)} in all]"
        case [*_]:
            return f"[{', '.join(describe(v) for v in value)}]"
    return str(value)


def _quote(text: str) -> str:
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return f'"{shown}"'


def _object_mismatch(expected: Mapping[str, Any], actual: Any, where: str) -> str | None:
    if not isinstance(actual, Mapping):
        return _differs(where, "an object", actual)
    for key, value in expected.items():
        found = mismatch(value, actual.get(key, ABSENT), f"{where}.{key}" if where else key)
        if found:
            return found
    return None


def _list_mismatch(expected: Sequence[Any], actual: Any, where: str) -> str | None:
    if not isinstance(actual, list):
        return _differs(where, describe(expected), actual)
    for index, (want, got) in enumerate(zip(expected, actual, strict=False)):
        found = mismatch(want, got, f"{where}[{index}]")
        if found:
            return found
    if len(expected) != len(actual):
        place = f"{where}: " if where else ""
        return f"{place}expected {len(expected)} members, got {len(actual)}: {describe(actual)}"
    return None


def _same(expected: Any, actual: Any) -> bool:
    if is_number(expected) and is_number(actual):
        return Decimal(str(expected)) == Decimal(str(actual))
    if isinstance(actual, Decimal):  # Not finite: comparing a signalling NaN would raise.
        return False
    return type(expected) is type(actual) and bool(expected == actual)


def _differs(where: str, expected: str, actual: Any) -> str:
    place = f"{where}: " if where else ""
    return f"{place}expected {expected}, got {describe(actual)}"
