"""The fingerprint of a load run's event: a nonce, and a checksum of everything that must be stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zlib import crc32

from conformance.protocol.amounts import plain
from conformance.readback import StoredRow

NONCE_KEY, CHECKSUM_KEY = "n", "c"
"""The keys of the first two properties of each event."""

# Separators that occur in no mix: a value that moves to another member changes the checksum.
MEMBER, GROUP = "\x1f", "\x1e"


@dataclass(frozen=True, slots=True)
class Nonce:
    """The identity of an event, ``RUN.SENDER.NUMBER``; each sender counts its events from 0."""

    sender: str
    number: int

    def text(self, run: str) -> str:
        """Return the nonce as it is sent in a run."""
        return f"{run}.{self.sender}.{self.number}"


def parse(text: str, run: str) -> Nonce | None:
    """Return the nonce in a text; None unless it is one of this run."""
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
    """Return the CRC-32, in decimal, of what a row must hold except the checksum itself.

    ``amount`` is a plain decimal without trailing zeros, empty without revenue. ``stored.py`` computes the
    same in SQL.
    """
    members = (kind, name, MEMBER.join(keys), MEMBER.join(values), amount, currency)
    return str(crc32(GROUP.join(members).encode("utf-8", "surrogatepass")))


def nonce_of(row: StoredRow, run: str) -> Nonce | None:
    """Return the nonce among a row's property values, at any position; None without one."""
    for value in row.meta_values:
        if isinstance(value, str) and value.startswith(run):
            return parse(value, run)
    return None


def is_intact(row: StoredRow) -> bool:
    """Return True if a row is as it was sent: its second property is the checksum of the others."""
    if len(row.meta_values) < 2 or len(row.meta_keys) < 2 or row.meta_keys[1] != CHECKSUM_KEY:
        return False
    keys, values = ([*members[:1], *members[2:]] for members in (row.meta_keys, row.meta_values))
    texts: list[Any] = [row.type, row.name, *keys, *values]
    if not all(isinstance(text, str) for text in texts):
        return False
    amount, currency = row.revenue_source_amount, row.revenue_source_currency or ""
    return row.meta_values[1] == checksum(
        name=row.name, keys=keys, values=values, amount=amount_text(amount), currency=currency, kind=row.type
    )


def amount_text(amount: Decimal | str | None) -> str:
    """Return an amount as it enters the checksum: ``49.99``, ``25``, ``-0.5``; empty for None."""
    if amount is None or isinstance(amount, str):
        return amount or ""
    return plain(amount)
