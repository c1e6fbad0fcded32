"""Queries that take long: their limit, their progress, and the memory that large events take."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from reference_server.analytics import running
from reference_server.analytics.filters import Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.rollup_query import ask
from reference_server.config import Config
from reference_server.storage.client import Clients
from reference_server.storage.embedded import LocalClickHouse
from reference_server.web.app import create_app
from tests.server.reading import NOW, Pen, Sent

VIEWS = "reference_server.web.dashboard.views"
BY_VALUE = Filter(properties=(("plan", "pro"),))


def test_a_page_is_there_before_slow_figures(
    pen: Pen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page announces slow figures; its later part waits for them."""
    pen.write(Sent(name="Signup", properties=[("plan", "pro")]))
    config = Config(clickhouse_url=pen.url, state_dir=tmp_path, bound="127.0.0.1")
    page = create_app(config).test_client()
    address = f"/{pen.site}?from={NOW:%Y-%m-%d}&to={NOW:%Y-%m-%d}&prop.plan=pro"
    monkeypatch.setattr(f"{VIEWS}._PATIENCE_SECONDS", 60)
    assert 'data-event="Signup"' in page.get(address).text
    monkeypatch.setattr(f"{VIEWS}._PATIENCE_SECONDS", 0)
    late = page.get(address)
    assert (late.status_code, "data-late" in late.text, "data-event=" in late.text) == (200, True, False)
    part = page.get(f"{address}&part=figures").text
    assert ("data-late" in part, 'data-event="Signup"' in part) == (False, True)


def test_a_query_that_reaches_its_limit_is_reported(reader: Reader, pen: Pen) -> None:
    """One that runs when the time is up, and any after that."""
    days = Range.of("7d", timezone="UTC", now=NOW)
    clients, query = Clients(pen.url), "SELECT sleepEachRow(1) FROM numbers(3)"
    with pytest.raises(running.TooSlow), reader.limited(0.3):
        ask(clients, query, {})
    with pytest.raises(running.TooSlow), reader.limited(0):
        reader.events(pen.site, days, by=BY_VALUE)


def test_progress_is_that_of_the_name(clickhouse: LocalClickHouse) -> None:
    """Nothing runs by a name that no request has."""
    assert running.progress(Clients(clickhouse.url), "0" * 32) == running.QueryProgress(read=0, total=0)


def test_large_events_take_little_memory(pen: Pen, client: Client, reader: Reader) -> None:
    """Of 20,000 events with 60 KB of values each, ClickHouse holds a few at a time."""
    client.command(
        f"INSERT INTO events (site_id, timestamp, type, name, meta_keys, meta_values) SELECT '{pen.site}',"
        f" toDateTime64('{NOW:%Y-%m-%d %H:%M:%S}', 3, 'UTC'), 'custom', 'Big',"
        " arrayMap(n -> toString(n), range(30)), arrayMap(n -> repeat('v', 2000), range(30))"
        " FROM numbers(20000)"
    )
    days = Range.of("7d", timezone="UTC", now=NOW)
    by = Filter(properties=(("0", "v" * 2000),))
    assert [row.count for row in reader.events(pen.site, days, by=by).rows] == [20_000]
    assert reader.kpis(pen.site, days, by)[1].value == 20_000
    assert sum(point.value for point in reader.series(pen.site, days, "events", by).points) == 20_000
    assert reader.values(pen.site, days, "Big", "0", details=True, by=by).rows[0].visitors == 1
    client.command(f"DELETE FROM events WHERE site_id = '{pen.site}'")
