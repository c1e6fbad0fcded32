"""The rollups agree with the events after retries and upgrades, in any time zone."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from hypothesis import given
from hypothesis import strategies as st

from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.rollup_query import pieces
from reference_server.delivery.census import census
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.rollups import ROLLUPS, STEPS
from reference_server.storage.schema import encode_row, migrate
from reference_server.storage.store import store
from tests.server.reading import NOW, Pen, Sent

Start = Callable[..., Any]
SOME = (
    Sent(),
    Sent(name="Signup", properties=[("plan", "pro"), ("plan", "free")], visitor="w", session="t"),
    Sent(name="Purchase", revenue=("49.99", "EUR"), at=NOW - timedelta(days=1)),
)


def counts(client: Client, site: str) -> dict[str, int]:
    """Return the number of events in each rollup, by step."""
    both = "sum(pageviews) + sum(customs)"
    sums = (("step", both), ("step", "sum(count)"), ("step", "sum(count)"), ("900", both))
    found = {}
    for rollup, (step, what) in zip(ROLLUPS, sums, strict=True):
        query = f"SELECT {step}, {what} FROM {rollup.table} WHERE site = {{site:String}} GROUP BY 1"
        for length, count in client.query(query, parameters={"site": site}).result_rows:
            found[f"{rollup.table} {length}"] = count
    return found


def expected(traffic: int, events: int, properties: int) -> dict[str, int]:
    """Return the expected numbers; sessions have only one step."""
    tables = {"rollup_traffic": traffic, "rollup_events": events, "rollup_properties": properties}
    steps = {f"{table} {step}": count for table, count in tables.items() for step in STEPS}
    return steps | {"rollup_sessions 900": traffic}


def test_each_event_is_counted_in_each_step(pen: Pen) -> None:
    """Steps are a quarter of an hour, an hour and a day; a repeated key counts twice."""
    pen.write(*SOME)
    assert counts(pen.client, pen.site) == expected(traffic=3, events=2, properties=2)


def test_a_repeated_insert_counts_once(pen: Pen) -> None:
    """STORE-5 for rollups: the loader repeats an insert of unknown outcome."""
    pen.write(*SOME, token=f"{pen.site}:1-3")
    pen.write(*SOME, token=f"{pen.site}:1-3")
    assert counts(pen.client, pen.site) == expected(traffic=3, events=2, properties=2)


def test_equal_events_of_two_inserts_count_twice(pen: Pen) -> None:
    """The token identifies a repetition, not the content."""
    pen.write(*SOME, token=f"{pen.site}:1-3")
    pen.write(*SOME, token=f"{pen.site}:4-6")
    assert counts(pen.client, pen.site) == expected(traffic=6, events=4, properties=4)


@contextmanager
def refusing(pen: Pen, table: str) -> Iterator[None]:
    """Make a rollup refuse rows of the site for a with block."""
    pen.client.command(f"ALTER TABLE {table} ADD CONSTRAINT refuse CHECK throwIf(site = '{pen.site}') = 0")
    try:
        yield
    finally:
        pen.client.command(f"ALTER TABLE {table} DROP CONSTRAINT refuse")


def refusals(pen: Pen) -> int:
    """Return the number of inserts that ClickHouse has refused so far."""
    query = "SELECT sum(value) FROM system.errors WHERE name = 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'"
    return int(pen.client.query(query).result_rows[0][0])


def stored(pen: Pen) -> int:
    """Return the number of events of the site."""
    query = "SELECT count() FROM events WHERE site_id = {site:String}"
    return int(pen.client.query(query, parameters={"site": pen.site}).result_rows[0][0])


@pytest.mark.parametrize("table", [rollup.table for rollup in ROLLUPS])
def test_a_repetition_makes_good_what_failed_half_way(pen: Pen, table: str) -> None:
    """If a rollup fails after the events were stored, the repetition fills it and repeats no other."""
    with refusing(pen, table), pytest.raises(ClickHouseError, match="throwIf"):
        pen.write(*SOME, token=f"{pen.site}:1-3")
    assert len(counts(pen.client, pen.site)) < 10
    pen.write(*SOME, token=f"{pen.site}:1-3")
    assert counts(pen.client, pen.site) == expected(traffic=3, events=2, properties=2)


def test_the_loader_makes_good_what_failed_half_way(start: Start, pen: Pen) -> None:
    """The server does the same by itself: it retries until the rollups agree with the events."""
    before = refusals(pen)
    with start(CLICKHOUSE_URL=pen.url) as server:
        with refusing(pen, ROLLUPS[2].table):
            event = {"t": "e", "n": "Signup", "mk": ["plan"], "mv": ["pro"], "d": pen.site}
            assert server.post(event).status_code == 202
            deadline = time.monotonic() + 20
            while refusals(pen) == before:
                assert time.monotonic() < deadline, "no rollup was asked"
        server.settle()
    assert (stored(pen), counts(pen.client, pen.site)) == (1, expected(traffic=1, events=1, properties=1))


def test_arrays_of_unequal_length_hold_up_nothing(pen: Pen) -> None:
    """A row with a key too many gets an empty value; other rows are stored."""
    store(pen.client, [SOME[1].row(pen.site)._replace(meta_values=("pro",))])
    query = "SELECT value FROM rollup_properties WHERE site = {site:String} AND step = 900 ORDER BY value"
    rows = pen.client.query(query, parameters={"site": pen.site}).result_rows
    assert [tuple(row) for row in rows] == [("",), ("pro",)]


def as_before(client: Client) -> None:
    """Turn a database into one of the versions whose views filled the rollups."""
    client.command("TRUNCATE TABLE schema_migrations")
    client.insert("schema_migrations", [[1], [2]], column_names=["number"], column_type_names=["UInt32"])
    for rollup in ROLLUPS:
        view = f"CREATE MATERIALIZED VIEW IF NOT EXISTS {rollup.table}_view TO {rollup.table} AS "
        client.command(view + rollup.of_events())


@pytest.fixture
def before(clickhouse: LocalClickHouse) -> Iterator[Pen]:
    """A database of a version with views, one of which has failed."""
    name = f"before_{uuid.uuid4().hex}"
    every = connect(clickhouse.url)
    every.command(f"CREATE DATABASE {name}")
    url = f"{clickhouse.url.rpartition('/')[0]}/{name}"
    client = connect(url)
    migrate(client)
    as_before(client)
    client.command("DROP TABLE rollup_properties_view")
    client.insert("events", [event.row("example.com") for event in SOME])
    as_before(client)
    yield Pen(client, "example.com", url)
    client.close()
    every.command(f"DROP DATABASE {name}")
    every.close()


def test_events_of_before_are_counted(before: Pen) -> None:
    """An upgrade makes the rollups exact, and later events are added once."""
    assert counts(before.client, before.site) != expected(traffic=3, events=2, properties=2)
    migrate(before.client)
    before.write(*SOME)
    migrate(before.client)
    assert counts(before.client, before.site) == expected(traffic=6, events=4, properties=4)
    assert before.client.query("SHOW TABLES LIKE '%view'").result_rows == []


def test_an_upgrade_that_broke_off_is_made_good(before: Pen) -> None:
    """Continues where a rollup is missing but its view is not, or where both are missing."""
    before.client.command("DROP TABLE rollup_events")
    before.client.command("DROP TABLE rollup_properties")
    before.client.command("DROP TABLE rollup_properties_view")
    migrate(before.client)
    before.write(*SOME)
    assert counts(before.client, before.site) == expected(traffic=6, events=4, properties=4)


@pytest.mark.parametrize("in_events", [True, False])
def test_an_attempt_of_before_is_counted_once(before: Pen, tmp_path: Path, in_events: bool) -> None:
    """Covers an outbox of a version with views, whose last insert may have reached events."""
    folder = tmp_path / "outbox"
    outbox = Outbox.create(folder)
    row = SOME[1].row(before.site)
    outbox.add(encode_row(row))
    outbox._db.execute("INSERT INTO attempt VALUES (1)")
    if in_events:
        token = f"{outbox.name}:1-1"
        before.client.insert("events", [row], settings={"insert_deduplication_token": token})
    outbox._db.close()
    os.close(outbox._lock_file)
    repair(Clients(before.url), folder)
    mine = Outbox.create(folder)
    loader = Loader(OwnOutbox(lambda: mine), folder, Clients(before.url))
    loader.start()
    deadline = time.monotonic() + 20
    while census(folder).pending:
        assert time.monotonic() < deadline, "the attempt waits"
        time.sleep(0.01)
    loader.stop(20)
    assert counts(before.client, before.site) == expected(traffic=4, events=3, properties=4)
    assert stored(before) == 4


def test_two_processes_upgrade_at_once(before: Pen, tmp_path: Path) -> None:
    """Each event counts once, in any order."""
    barrier = threading.Barrier(2)
    threads = [
        threading.Thread(target=upgrade, args=(before, tmp_path / "outbox", barrier)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(before.client, before.site) == expected(traffic=3, events=2, properties=2)
    tables = {row[0] for row in before.client.query("SHOW TABLES LIKE 'rollup%'").result_rows}
    assert tables == {rollup.table for rollup in ROLLUPS}


def upgrade(pen: Pen, folder: Path, barrier: threading.Barrier) -> None:
    """Migrate at the same time as the other, as at the start of a server."""
    clients = Clients(pen.url)
    clients.get()
    barrier.wait(20)
    repair(clients, folder)
    clients.get().close()


@given(st.integers(0, 4000), st.integers(1, 4000))
def test_pieces_cover_a_range_exactly(begin: int, length: int) -> None:
    """Each quarter of an hour of a range is in exactly one piece, and none outside it."""
    covered: list[int] = []
    for step, first, last in pieces(begin * 900, (begin + length) * 900):
        assert first % step == last % step == 0
        covered += range(first // 900, last // 900)
    assert covered == list(range(begin, begin + length))


def test_a_year_is_read_in_few_pieces() -> None:
    """Days, except at the ends, make reading cheap."""
    range_ = Range.of(
        "custom", timezone="Asia/Kathmandu", now=NOW, first=date(2025, 1, 1), last=date(2025, 12, 31)
    )
    found = list(pieces(int(range_.start.timestamp()), int(range_.end.timestamp())))
    assert sum((last - first) // step for step, first, last in found) == 3 + 5 + 364 + 18 + 1


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
def test_days_of_a_zone_begin_and_end_on_the_millisecond(pen: Pen, reader: Reader, timezone: str) -> None:
    """Of events just before a day, in its first and last millisecond, and just after it, two count."""
    day = Range.of("custom", timezone=timezone, now=NOW, first=date(2026, 4, 5), last=date(2026, 4, 5))
    tick = timedelta(milliseconds=1)
    for moment in (day.start - tick, day.start, day.end - tick, day.end):
        pen.write(Sent(name="Signup", at=moment))
    assert [(row.name, row.count) for row in reader.events(pen.site, day).rows] == [("Signup", 2)]


def test_minutes_are_read_from_the_events(pen: Pen, reader: Reader) -> None:
    """Realtime is exact to the millisecond and needs no rollup."""
    range_ = Range.of("realtime", timezone="UTC", now=NOW)
    tick = timedelta(milliseconds=1)
    for moment in (range_.start - tick, range_.start, range_.end - tick, range_.end):
        pen.write(Sent(name="Signup", at=moment, properties=[("plan", "pro")]))
    assert [row.count for row in reader.events(pen.site, range_).rows] == [2]
    assert [row.count for row in reader.values(pen.site, range_, "Signup", "plan").rows] == [2]
    assert {kpi.key: kpi.value for kpi in reader.kpis(pen.site, range_)}["duration"] == 1800
