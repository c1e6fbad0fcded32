"""Events for the tests of the read side, written straight into ClickHouse as the loader writes them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from reference_server.clickhouse.schema import EVENT_TYPES, EventRow

NOW = datetime(2026, 11, 26, 12, 34, 56, 789000, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An event, of a visitor in a session; without a name it is a pageview."""

    name: str = ""
    at: datetime = NOW
    visitor: str = "v"
    session: str = "s"
    properties: Iterable[tuple[str, str]] = field(default_factory=tuple)
    revenue: tuple[str, str] | None = None

    def row(self, site: str) -> EventRow:
        """The event as it is stored."""
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
        """Insert events at once, by the loader's settings; the same token again is a repetition."""
        self.client.insert(
            "events",
            [event.row(self.site) for event in events],
            column_names=tuple(EVENT_TYPES),
            column_type_names=tuple(EVENT_TYPES.values()),
            settings=self.settings(token or uuid.uuid4().hex),
        )

    @staticmethod
    def settings(token: str) -> dict[str, Any]:
        """What makes a repetition harmless."""
        return {
            "insert_deduplication_token": token,
            "deduplicate_blocks_in_dependent_materialized_views": 1,
        }
