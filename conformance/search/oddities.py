"""Parts of a call or a request that no MUST is about, each the affair of one requirement.

An event that is lost is held against the requirement whose part is the only odd one in it. So a MUST is held
to nothing that its own vectors leave to a SHOULD or a MAY, and no requirement is blamed for another's fault.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from conformance.protocol.requirements import Level
from conformance.search import model


class Odd(StrEnum):
    """A part that is odd, with the requirement that speaks of it."""

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
    """Return what is odd about names of properties."""
    own = list(keys)
    found = {Odd.KEY} if any(model.is_open_key(key) for key in own) else set()
    return found | of_texts(own)


def of_texts(texts: Iterable[str]) -> set[Odd]:
    """Return what is odd about texts."""
    own = list(texts)
    found = {Odd.TEXT} if any(model.ill_formed(text) for text in own) else set()
    return found | ({Odd.NUL} if any("\0" in text for text in own) else set())


def of_amount(amount: Decimal | None) -> set[Odd]:
    """Return what is odd about an amount that was given, None for one that is no finite number."""
    if amount is None:
        return {Odd.AMOUNT}
    found = {Odd.REFUND} if amount <= 0 else set()
    return found | ({Odd.PRECISION} if model.binding(amount) is not Level.MUST else set())
