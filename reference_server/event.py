"""The domain: an event, its row, the protocol's limits, and notes on what the limits changed."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

PROPERTY_LIMIT = 30  # PROP-2
NAME_BYTES = 40_000
"""Bytes of UTF-8 of a name: 10,000 characters of any script."""
KEY_BYTES = 8_000
"""Bytes of UTF-8 of the name of a property: as many characters of any script as a value may have."""
DEFAULT_CURRENCY = "USD"  # REV-2

AMOUNT_SCALE = 9
"""Digits behind the point of an amount.

REV-1 asks for 2 to 4; 9 keep every price that is written by hand, while the binary dust of a sum such as
0.30000000000000004 falls away.
"""
AMOUNT_LIMIT = Decimal(10) ** 20
"""The first amount that is too large.

15 significant digits are required (REV-1). The column holds 10^29: the difference keeps the sum of a billion
of the largest amounts inside it.
"""


class NoteCode(StrEnum):
    """The reason of a note."""

    UNPAIRED = "unpaired"
    TOO_MANY = "too-many-properties"
    MEMBERS = "too-many-members"
    CUT = "values-cut"
    CONVERTED = "members-converted"
    NO_ARRAY = "no-array"
    AMOUNT = "bad-amount"
    CURRENCY = "bad-currency"
    DEFAULT = "default-currency"
    IDENTIFIER = "bad-identifier"
    NO_DOMAIN = "no-domain"
    SITE = "unknown-site"
    SITES = "too-many-sites"
    QUOTA = "over-quota"


class Note(NamedTuple):
    """A remark on what was changed or dropped of an event, as the answer to its request carries it."""

    code: NoteCode
    text: str


# Not frozen: that would cost a fifth of all that is done for an event.
@dataclass(kw_only=True, slots=True)
class Event:
    """An event within the limits.

    ``notes`` tell what was changed or dropped, and do not count in comparisons.
    """

    type: str
    name: str = ""
    meta_keys: tuple[str, ...] = ()
    meta_values: tuple[str, ...] = ()
    amount: Decimal | None = None
    currency: str = ""
    domain: str = ""
    url: str = ""
    referrer: str = ""
    session: str = ""
    pageview: str = ""
    notes: tuple[Note, ...] = field(default=(), compare=False)


class EventRow(NamedTuple):
    """A row of ``events`` (STORE-1 to STORE-4), its fields in the order of the columns."""

    site_id: str
    timestamp: datetime
    type: str
    name: str
    visitor_id: str
    session_id: str
    pageview_id: str
    hostname: str
    pathname: str
    referrer: str
    meta_keys: tuple[str, ...]
    meta_values: tuple[str, ...]
    revenue_source_amount: Decimal | None
    revenue_source_currency: str
