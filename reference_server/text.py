"""Text as JavaScript has it: well-formed, counted in UTF-16 code units, made of any value by ``String``."""

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

VALUE_LIMIT = 2000  # PROP-3: characters of a value; UTF-16 code units, as JavaScript counts (PROP-6).


def well_formed(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate (PROP-6), so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cut(text: str) -> str:
    """Return the first 2,000 UTF-16 code units of well-formed text, one less rather than half a pair."""
    if len(text) <= VALUE_LIMIT // 2:
        return text
    return text.encode("utf-16-le")[: 2 * VALUE_LIMIT].decode("utf-16-le", "ignore")


def js_string(value: Any) -> str:
    """Return what JavaScript's ``String(value)`` makes of a decoded JSON value (PROP-4, PROP-5).

    Of an array only as many members are written as a value can hold.
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
            # Every member adds its comma at least, so this is never shorter than the limit by mistake.
            return ",".join(islice(_members(value), VALUE_LIMIT + 1))
        case _:
            return "[object Object]"


def js_number(value: float | Decimal) -> str:
    """Return a number as JavaScript writes it: the shortest digits that name the same double."""
    number = float(Decimal(value))  # By way of Decimal, huge integers become infinite instead of an error.
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    return "-" * sign + _placed("".join(map(str, digits)), len(digits) + exponent)


def _placed(digits: str, point: int) -> str:
    """Digits with the point after the first ``point`` of them, as ECMAScript's Number::toString has it."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _members(array: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    """The members of an array and of the arrays in it, in order; without recursion, whatever the depth."""
    stack = [iter(array)]
    while stack:
        for member in stack[-1]:
            if isinstance(member, list | tuple) and member:
                stack.append(iter(member))
                break
            yield "" if member is None else js_string(member)
        else:
            stack.pop()
