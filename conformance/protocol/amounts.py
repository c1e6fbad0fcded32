"""Amounts of money as text."""

from decimal import Decimal


def plain(amount: Decimal) -> str:
    """Return an amount exactly, without an exponent and without needless zeros: ``49.99``, ``25``, ``-0.5``.

    Not by ``normalize``, which rounds to the precision of the thread.
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
