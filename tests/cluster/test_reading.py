"""Panels of a cluster: the same figures as on one server."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest

from reference_server.analytics import running
from reference_server.analytics.kpis import SESSION_ROWS
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.rollup_query import Source, ask
from reference_server.analytics.site_settings import Settings
from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients
from reference_server.storage.embedded_cluster import LocalCluster
from reference_server.storage.rollups import SESSIONS
from tests.cluster.conftest import DEADLINE_SECONDS, SITE, Database, row

ROWS = tuple(row(number) for number in range(3000))


def panels(reader: Reader, range_: Range) -> dict[str, Any]:
    """Return what the dashboard shows of a range."""
    series = ("visitors", "pageviews", "events", "conversions")
    return {
        "events": reader.events(SITE, range_),
        "found": reader.events(SITE, range_, search="NAME 1", limit=1, offset=1),
        "properties": reader.properties(SITE, range_, "Name 1"),
        "values": reader.values(SITE, range_, "Name 1", "row", limit=5, offset=5),
        "top": reader.top_values(SITE, range_, "Name 1", ["plan"]),
        "goals": reader.goals(SITE, range_),
        "kpis": reader.kpis(SITE, range_),
        "advice": reader.advice(SITE, range_),
        "sites": reader.sites(),
        "first": reader._first_day(SITE, "UTC"),
        **{metric: reader.series(SITE, range_, metric) for metric in series},
    }


@pytest.fixture(scope="module")
def readers(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Reader, Reader]:
    """Readers of the same rows on two shards and on one server."""
    folder = tmp_path_factory.mktemp("readers")
    found = []
    for name in ("on_two", "on_one"):
        database = Database(cluster, name, folder / name)
        clients = database.clients() if name == "on_two" else Clients(database.urls[0])
        repair(clients, database.folder)
        database.load(clients, *ROWS)
        database.settle()
        database.close()
        found.append(clients)
    settings = Settings(found[0], folder / "state")
    settings.add_goal(SITE, "Name 1")
    return Reader(found[0], settings), Reader(found[1], settings)


_FIRST, _SECOND, _LAST = date(2026, 3, 14), date(2026, 3, 15), date(2026, 3, 16)
_RANGES = {
    "whole days": ("custom", _FIRST, _LAST, datetime(2026, 6, 1, tzinfo=UTC)),
    # The day before is read until the same time: its last minutes from events, beside rollups.
    "part of a day": ("custom", _SECOND, _SECOND, datetime(2026, 3, 15, 13, 37, 11, tzinfo=UTC)),
    "minutes": ("realtime", None, None, datetime(2026, 3, 14, 13, 37, 11, tzinfo=UTC)),
}


@pytest.mark.parametrize("name", _RANGES)
def test_panels_show_the_same_as_on_one_server(readers: tuple[Reader, Reader], name: str) -> None:
    """Sums, visitors, sessions, listings and series are those of one server."""
    period, first, last, now = _RANGES[name]
    range_ = Range.of(period, timezone="Asia/Kathmandu", now=now, first=first, last=last)
    on_two, on_one = (panels(reader, range_) for reader in readers)
    assert on_one["kpis"][0].value > 0
    assert on_two == on_one


def test_a_sample_of_sessions_is_taken_before_they_are_added_up(database: Database) -> None:
    """In a range that ends within a quarter of an hour, buckets and the last events are selected first.

    Else the sessions of 30 days out of 100 million events took seven seconds, on two shards.
    """
    period, first, last, now = _RANGES["part of a day"]
    before = Range.of(period, timezone="Asia/Kathmandu", now=now, first=first, last=last).previous()
    assert before
    source = Source(database.clients(), SITE, before)
    query, _ = source.prepared(f"SELECT count() FROM {SESSION_ROWS}", SESSIONS, values={"most": 1})
    outer = 1
    assert query.count("UNION ALL") == 1
    assert query.count("WHERE hash <= {most:UInt64}") == 2 + outer


def test_a_query_ends_on_whichever_server_it_runs(database: Database) -> None:
    """A query has its progress, and ends with its client, although others are asked first."""
    name = "0123456789abcdef"
    both = database.clients()
    both._first = 0
    watched, second = running.Running(both, name), database.clients(database.urls[1])

    def slow() -> None:
        running.begin(watched)
        ask(second, "SELECT sleepEachRow(1) FROM numbers(600) SETTINGS max_block_size = 1", {})

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while running.progress(both, name).total == 0:
            assert not waiting.done(), waiting
            assert time.monotonic() < deadline
            time.sleep(0.05)
        watched.end()
        with pytest.raises(running.Left):
            waiting.result(10)
