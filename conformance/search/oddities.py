"""Odd parts of a call or a request: parts that no MUST is about, each with one requirement.

A lost event counts against a requirement only if that requirement's part is the only odd one. So a MUST
demands nothing that its vectors leave to a SHOULD or a MAY, and no requirement fails by another's fault.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from conformance.protocol.requirements import Level
from conformance.search import model


class Odd(StrEnum):
    """An odd part; the comment names the requirement about it."""

    ARGUMENT = "properties that are no plain object"  # API-5
    THROWS = "code that throws"  # API-5, PROP-5, REV-7
    TEXT = "ill-formed text"  # PROP-6
    LISTS = "lists that do not fit each other"  # PROP-7
    KEY = "a blank, long or special key"  # PROP-8
    PRECISION = "an amount finer or larger than cents"  # REV-1
    REFUND = "an amount of zero or below"  # REV-6
    AMOUNT = "an amount that is no finite number"  # REV-7
    CURRENCY = "a currency that is no code"  # REV-8
    EXTRA = "a key that a server may have a use for"  # WIRE-8
    HOSTILE = "what may be refused as well"  # WIRE-8
    NUL = "U+0000, which a server may refuse"  # WIRE-8


def of_keys(keys: Iterable[str]) -> set[Odd]:
    """Return the odd parts of property keys."""
    own = list(keys)
    found = {Odd.KEY} if any(model.is_open_key(key) for key in own) else set()
    return found | of_texts(own)


def of_texts(texts: Iterable[str]) -> set[Odd]:
    """Return the odd parts of texts."""
    own = list(texts)
    found = {Odd.TEXT} if any(model.ill_formed(text) for text in own) else set()
    return found | ({Odd.NUL} if any("\0" in text for text in own) else set())


def of_amount(amount: Decimal | None) -> set[Odd]:
    """Return the odd parts of an amount; pass None for one that is not a finite number."""
    if amount is None:
        return {Odd.AMOUNT}
    found = {Odd.REFUND} if amount <= 0 else set()
    return found | ({Odd.PRECISION} if model.binding(amount) is not Level.MUST else set())
