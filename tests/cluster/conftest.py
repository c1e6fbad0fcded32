"""Fixtures for a cluster of two shards, on which each test has a database of its own."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reference_server.delivery.census import census
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.event import EventRow
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded_cluster import CLUSTER, LocalCluster
from reference_server.storage.schema import encode_row

SITE = "shop.example"
DEADLINE_SECONDS = 30.0
_DAY = datetime(2026, 3, 14, tzinfo=UTC)


def row(number: int, name: str = "") -> bytes:
    """Return an encoded row: of a pageview or, twice as often, of a custom event; four in a session."""
    custom = bool(name or number % 3)
    paid = Decimal(number) / 100 if number % 6 == 1 else None
    return encode_row(
        EventRow(
            site_id=SITE,
            timestamp=_DAY + timedelta(minutes=7 * number % 4000),
            type="custom" if custom else "pageview",
            name=name or (f"Name {number % 11}" if custom else "pageview"),
            visitor_id=f"visitor {number % 70}",
            session_id=f"session {number // 4}",
            pageview_id=f"page {number}",
            hostname=SITE,
            pathname="/",
            referrer="",
            meta_keys=("plan", "row") if custom else (),
            meta_values=(f"plan {number % 5}", str(number)) if custom else (),
            revenue_source_amount=paid,
            revenue_source_currency="EUR" if paid else "",
        )
    )


class Database:
    """A database on every shard, and a folder with the outboxes that are loaded into it."""

    def __init__(self, cluster: LocalCluster, name: str, folder: Path) -> None:
        self.urls = [shard.url.removesuffix("default") + name for shard in cluster.shards]
        self.folder = folder
        self._loaders: list[Loader] = []
        self._clients: list[Any] = []
        for shard in cluster.shards:
            self.ask(f"CREATE DATABASE {name}", shard.url)

    def clients(self, *urls: str) -> Clients:
        """Return clients of the cluster, by default with the URLs of all shards."""
        return Clients(",".join(urls or self.urls), CLUSTER)

    def ask(self, query: str, url: str = "") -> list[tuple[Any, ...]]:
        """Return the rows of a query, by default through the first shard."""
        client = connect(url or self.urls[0])
        try:
            if query.startswith("SELECT"):
                return [tuple(each) for each in client.query(query).result_rows]
            client.command(query)
            return []
        finally:
            client.close()

    def load(self, clients: Clients, *rows: bytes) -> Outbox:
        """Start to load rows from an outbox."""
        outbox = Outbox.create(self.folder)
        if rows:
            outbox.add(*rows)
        loader = Loader(OwnOutbox(lambda: outbox), self.folder, clients)
        self._loaders.append(loader)
        loader.start()
        return outbox

    def settle(self, pending: int = 0) -> None:
        """Wait until no more than a number of events are pending."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (waiting := census(self.folder).pending) > pending:
            assert time.monotonic() < deadline, f"{waiting} events wait"
            time.sleep(0.01)

    def totals(self) -> dict[str, int]:
        """Return the events of each table, which must agree; and the different rows."""
        queries = {
            "events": "SELECT count() FROM events",
            "different": "SELECT uniqExact(pageview_id) FROM events",
            "traffic": "SELECT sum(pageviews) + sum(customs) FROM rollup_traffic WHERE step = 900",
            "sessions": "SELECT sum(pageviews) + sum(customs) FROM rollup_sessions",
            "customs": "SELECT sum(count) FROM rollup_events WHERE step = 86400",
            "properties": "SELECT sum(count) FROM rollup_properties WHERE step = 3600 AND key = 'row'",
        }
        return {name: self.ask(query)[0][0] for name, query in queries.items()}

    def close(self) -> None:
        """End the loaders."""
        for loader in self._loaders:
            loader.stop(0)


def expected(rows: int, customs: int) -> dict[str, int]:
    """Return the ``totals`` of a number of different rows."""
    whole = dict.fromkeys(("events", "different", "traffic", "sessions"), rows)
    return {**whole, "customs": customs, "properties": customs}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Two shards."""
    with LocalCluster(tmp_path_factory.mktemp("cluster"), 2) as started:
        yield started


@pytest.fixture
def database(cluster: LocalCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database."""
    (tmp_path / "outbox").mkdir()
    made = Database(cluster, re.sub(r"\W", "_", request.node.name), tmp_path / "outbox")
    yield made
    made.close()
