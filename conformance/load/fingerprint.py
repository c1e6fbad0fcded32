"""How an event of a load run is known again: a nonce, and a checksum over all that should be stored of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zlib import crc32

from conformance.readback import StoredRow

NONCE_KEY, CHECKSUM_KEY = "n", "c"
"""Keys of the first two properties of each event."""

# Control characters that no mix has, so that a value which wanders between two members changes the checksum.
MEMBER, GROUP = "\x1f", "\x1e"


@dataclass(frozen=True, slots=True)
class Nonce:
    """``RUN.SENDER.NUMBER``: each sender counts its events from 0, so that a byte keeps the fate of one."""

    sender: str
    number: int

    def text(self, run: str) -> str:
        """As it is sent."""
        return f"{run}.{self.sender}.{self.number}"


def parse(text: str, run: str) -> Nonce | None:
    """The nonce in a text; None if it is none of this run's."""
    head, _, number = text.rpartition(".")
    token, _, sender = head.partition(".")
    return Nonce(sender, int(number)) if token == run and sender and number.isdecimal() else None


def checksum(
    *,
    name: str,
    keys: Iterable[str],
    values: Iterable[str],
    amount: str,
    currency: str,
    kind: str = "custom",
) -> str:
    """CRC-32 of what a row should hold; its own property is left out. ``stored.py`` says the same in SQL.

    ``amount`` is a plain decimal without zeros at its end, empty when there is no revenue.
    """
    members = (kind, name, MEMBER.join(keys), MEMBER.join(values), amount, currency)
    return str(crc32(GROUP.join(members).encode("utf-8", "surrogatepass")))


def nonce_of(row: StoredRow, run: str) -> Nonce | None:
    """The nonce that a row carries, wherever among its values."""
    for value in row.meta_values:
        if isinstance(value, str) and value.startswith(run):
            return parse(value, run)
    return None


def is_intact(row: StoredRow) -> bool:
    """Whether a row is what was sent: its checksum is where it was put, and right."""
    if len(row.meta_values) < 2 or len(row.meta_keys) < 2 or row.meta_keys[1] != CHECKSUM_KEY:
        return False
    keys, values = ([*members[:1], *members[2:]] for members in (row.meta_keys, row.meta_values))
    texts: list[Any] = [row.type, row.name, *keys, *values]
    if not all(isinstance(text, str) for text in texts):
        return False
    amount, currency = row.revenue_source_amount, row.revenue_source_currency or ""
    return row.meta_values[1] == checksum(
        name=row.name, keys=keys, values=values, amount=plain(amount), currency=currency, kind=row.type
    )


def plain(amount: Decimal | str | None) -> str:
    """An amount as it goes into the checksum: ``49.99``, ``25``, ``-0.5``; empty for none."""
    if amount is None or isinstance(amount, str):
        return amount or ""
    return format(amount.normalize(), "f")
