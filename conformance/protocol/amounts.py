"""Amounts of money as text."""

from decimal import Decimal

_MOST_DIGITS = 100


def plain(amount: Decimal) -> str:
    """Return an amount exactly, without an exponent and without needless zeros: ``49.99``, ``25``, ``-0.5``.

    One of more than 100 digits has an exponent: JSON allows ``1e999999999``, whose digits fill the memory.
    Not by ``normalize``, which rounds to the precision of the thread.
    """
    if amount.is_finite() and abs(amount.adjusted()) > _MOST_DIGITS:
        return str(amount)
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
