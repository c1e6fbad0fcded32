"""Text with JavaScript's semantics: well-formed, in UTF-16 code units, converted as by ``String``."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

VALUE_LIMIT = 2000  # PROP-3, PROP-6: in UTF-16 code units, as JavaScript counts characters.
MEMBER_LIMIT = 4_000
"""Members of arrays, including nested members and the arrays themselves, converted to text per event."""

_SAFE_INTEGER = 2**53


def well_formed(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate (PROP-6), so that it can be encoded as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cut(text: str) -> str:
    """Return the first 2,000 UTF-16 code units of well-formed text, without splitting a surrogate pair."""
    if len(text) <= VALUE_LIMIT // 2:
        return text
    return text[:VALUE_LIMIT].encode("utf-16-le")[: 2 * VALUE_LIMIT].decode("utf-16-le", "ignore")


def plain(amount: Decimal) -> str:
    """Return an amount exactly, without trailing zeros and exponent: 1234.5.

    ``Decimal.normalize`` would round to the precision of the thread's context.
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(slots=True)
class Allowance:
    """Number of array members that may still be converted for an event."""

    members: int = MEMBER_LIMIT


def js_string(value: Any, allowance: Allowance) -> str:
    """Return JavaScript's ``String(value)`` for a decoded JSON value (PROP-4, PROP-5).

    Only as many members of an array are converted as a value can hold and the ``allowance`` permits.
    """
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return js_number(value)
        case list() | tuple():
            return _joined(_members(value, allowance))
        case _:
            return "[object Object]"


def js_number(value: float | Decimal) -> str:
    """Return a number as JavaScript writes it: the shortest digits that denote the same double."""
    if isinstance(value, int) and -_SAFE_INTEGER < value < _SAFE_INTEGER:
        return str(value)
    number = value if isinstance(value, float) else _double(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    text = repr(number)
    if "e" not in text:  # Python switches to exponents earlier than JavaScript, for large and small numbers.
        return text.removesuffix(".0")
    mantissa, _, exponent = text.removeprefix("-").partition("e")
    digits = mantissa.replace(".", "")
    return "-" * (number < 0) + _placed(digits, 1 + int(exponent))


def _double(number: int | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:  # An integer beyond the largest double; decimals become infinite without an error.
        return math.inf if number > 0 else -math.inf


def _placed(digits: str, point: int) -> str:
    """Return digits with the decimal point after ``point`` of them, as in ECMAScript's Number::toString."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _joined(members: Iterable[str]) -> str:
    """Return texts joined by commas, ending where the value will be cut."""
    parts: list[str] = []
    room = VALUE_LIMIT + 1  # One more, so that the value is cut and the cut is noted.
    for member in members:
        parts.append(member[: VALUE_LIMIT + 1])
        room -= len(member) + 1
        if room < 0:
            break
    return ",".join(parts)


def _members(array: list[Any] | tuple[Any, ...], allowance: Allowance) -> Iterator[str]:
    """Yield the texts of the members of nested arrays, in order and without recursion."""
    stack = [iter(array)]
    while stack:
        for member in stack[-1]:
            if not allowance.members:
                return
            allowance.members -= 1
            if isinstance(member, list | tuple) and member:
                stack.append(iter(member))
                break
            yield "" if member is None else js_string(member, allowance)
        else:
            stack.pop()
