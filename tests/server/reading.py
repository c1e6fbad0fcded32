"""Events for tests of queries, written straight into ClickHouse as the loader writes them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from clickhouse_connect.driver.client import Client

from reference_server.event import EventRow
from reference_server.storage.store import store

NOW = datetime(2026, 11, 26, 12, 34, 56, 789000, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An event of a visitor in a session; a pageview if it has no name."""

    name: str = ""
    at: datetime = NOW
    visitor: str = "v"
    session: str = "s"
    properties: Iterable[tuple[str, str]] = field(default_factory=tuple)
    revenue: tuple[str, str] | None = None

    def row(self, site: str) -> EventRow:
        """Return the stored row of the event."""
        pairs = list(self.properties)
        amount, currency = self.revenue or (None, "")
        return EventRow(
            site_id=site,
            timestamp=self.at,
            type="custom" if self.name else "pageview",
            name=self.name,
            visitor_id=self.visitor,
            session_id=self.session,
            pageview_id="",
            hostname=site,
            pathname="/",
            referrer="",
            meta_keys=tuple(key for key, _ in pairs),
            meta_values=tuple(value for _, value in pairs),
            revenue_source_amount=Decimal(amount) if amount else None,
            revenue_source_currency=currency,
        )


class Pen:
    """Writes events of one site."""

    def __init__(self, client: Client, site: str, url: str) -> None:
        self.client = client
        self.url = url
        self.site = site

    def write(self, *events: Sent, token: str = "") -> None:
        """Store events by month, as the loader does; repeating a token has no effect."""
        rows = sorted((event.row(self.site) for event in events), key=attrgetter("timestamp"))
        for month, some in groupby(rows, key=lambda row: f"{row.timestamp:%Y-%m}"):
            store(self.client, some, token and f"{token} {month}")
