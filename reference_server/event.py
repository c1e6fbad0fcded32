"""The domain model: an event, its row, the protocol's limits, and notes on changes."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

PROPERTY_LIMIT = 30  # PROP-2
NAME_BYTES = 40_000
"""Bytes of UTF-8 in a name: 10,000 characters of any script."""
KEY_BYTES = 8_000
"""Bytes of UTF-8 in a property's key: 2,000 characters of any script."""
DEFAULT_CURRENCY = "USD"  # REV-2

AMOUNT_SCALE = 9
"""Decimal places of an amount.

REV-1 requires 2 to 4. 9 keep every price written by hand and remove binary rounding noise such as that of
0.30000000000000004.
"""
AMOUNT_LIMIT = Decimal(10) ** 20
"""The smallest amount that is too large.

REV-1 requires 15 significant digits. The column holds 10^29, so the sum of a billion of the largest amounts
fits.
"""


class NoteCode(StrEnum):
    """Reasons of notes."""

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
    """A note on what was changed or dropped of an event; the response lists them."""

    code: NoteCode
    text: str


# Not frozen: frozen instances add a fifth to the time spent on an event.
@dataclass(kw_only=True, slots=True)
class Event:
    """An event within the limits of the protocol.

    ``notes`` list what was changed or dropped and are ignored in comparisons.
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
    """A row of ``events`` (STORE-1 to STORE-4), with its fields in the order of the columns."""

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
