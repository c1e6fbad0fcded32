"""STORE-5: whatever ClickHouse refuses at any time, each table has each event once."""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from reference_server.delivery.census import census
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.event import EventRow
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import encode_row, migrate
from reference_server.storage.store import TABLES
from tests.server.recount import recount, tables
from tests.server.unreliable import Unreliable, one_after_the_other

SECONDS = 30.0
MOMENT = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)


def event(name: str, *, properties: int = 1, seconds: float = 0) -> EventRow:
    """Return an event with a name and properties."""
    return EventRow(
        site_id="example.com",
        timestamp=MOMENT + timedelta(seconds=seconds),
        type="custom",
        name=name,
        visitor_id="v",
        session_id="s",
        pageview_id="",
        hostname="example.com",
        pathname="/",
        referrer="",
        meta_keys=tuple(f"k{number}" for number in range(properties)),
        meta_values=tuple(f"v{number}" for number in range(properties)),
        revenue_source_amount=Decimal("1.5"),
        revenue_source_currency="EUR",
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """A ClickHouse with our tables."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as clickhouse:
        yield clickhouse


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without delay, as these tests are about their order."""
    for name in ("_FIRST_RETRY_SECONDS", "_LAST_RETRY_SECONDS", "_SHORTEST_PAUSE", "_REST"):
        monkeypatch.setattr(f"reference_server.delivery.loader.{name}", 0.001)
    monkeypatch.setattr("reference_server.delivery.outbox._FIRST_DELAY", 0.01)
    monkeypatch.setattr("reference_server.delivery.outbox._LAST_DELAY", 0.1)


@pytest.fixture
def client(database: LocalClickHouse) -> Iterator[Client]:
    """A client of the database, with empty tables."""
    client = connect(database.url)
    empty(client)
    yield client
    client.close()


def empty(client: Client) -> None:
    """Create and empty all tables."""
    migrate(client)
    for table in TABLES:
        client.command(f"TRUNCATE TABLE {table}")


@contextmanager
def loading(outbox: Outbox, folder: Path, clients: Clients) -> Iterator[None]:
    """Run a loader for a with block."""
    loader = Loader(OwnOutbox(lambda: outbox), folder, clients)
    loader.start()
    yield
    loader.stop(SECONDS)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def abandon(outbox: Outbox) -> None:
    """Release an outbox as the end of its process does."""
    outbox._db.close()
    os.close(outbox._lock_file)


FAULTS = st.lists(st.sampled_from(["", "", "before", "after", "refused", "refused"]), max_size=25)


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    blocks=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    faults=FAULTS,
    ends=st.lists(st.integers(0, 6), max_size=2),
)
# Stored without an answer and then refused, in events and in the third table, before and after an end.
@example(blocks=[3], faults=["after", "refused"], ends=[])
@example(blocks=[3], faults=["", "", "after", "refused", "refused", "after"], ends=[])
@example(blocks=[3], faults=["after", "refused", "after", "after"], ends=[1])
@example(blocks=[1, 1], faults=["before", "refused", "refused", "after"], ends=[1, 1])
def test_each_table_has_each_event_once(
    database: LocalClickHouse, client: Client, blocks: list[int], faults: list[str], ends: list[int]
) -> None:
    """Holds for any order of refusals, lost answers and ends of the process, across the end of a month."""
    empty(client)
    numbers = itertools.count()
    sent = [
        [event(f"n{next(numbers) % 3}", seconds=next(numbers) / 4) for _ in range(size)] for size in blocks
    ]
    decide = one_after_the_other(*faults)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outbox = Outbox.create(folder)
        for rows in sent:
            outbox.add(*map(encode_row, rows))
        for steps in ends:
            # The process ends after so many steps, whatever the outcome of them.
            own = OwnOutbox(lambda: outbox)  # noqa: B023 - called at once
            loader = Loader(own, folder, Unreliable(database.url, decide))
            for _ in range(steps):
                batch = outbox.next_batch(3, 10**6)
                if batch:
                    loader._advance(outbox, batch)
            abandon(outbox)
            [outbox] = Outbox.abandoned(folder)
        with loading(outbox, folder, Unreliable(database.url, decide)):
            until(lambda: not outbox.pending, "events wait")
    assert tables(client) == recount(itertools.chain.from_iterable(sent))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_dropped_comes_back(
    database: LocalClickHouse, client: Client, tmp_path: Path, table: str
) -> None:
    """F17: a rollup is rebuilt from events, and no event in transit is counted twice."""
    before, after = event("before"), event("after")
    outbox = Outbox.create(tmp_path)
    # The answer to each insert of the first batch gets lost, so its step is incomplete when the table is
    # dropped.
    lost = dict.fromkeys(TABLES, "after")
    dropped = [table]

    def decide(name: str) -> str:
        if dropped and name == TABLES[-1]:
            client.command(f"DROP TABLE {dropped.pop()} SYNC")
        return lost.pop(name, "")

    with loading(outbox, tmp_path, Unreliable(database.url, decide)):
        outbox.add(encode_row(before))
        until(lambda: not outbox.pending, "the first event waits")
        outbox.add(encode_row(after))
        until(lambda: not outbox.pending, "the second event waits")
    expected, found = recount([before, after]), tables(client)
    if table == "events":  # Its events are lost, but the rollups still have them.
        expected["events"] = recount([after])["events"]
    assert found == expected


def test_what_is_refused_for_its_size_holds_up_nothing(
    database: LocalClickHouse, client: Client, tmp_path: Path
) -> None:
    """A row that a rollup refuses for a while delays no other, and is stored in the end."""
    large, small = event("L" * 50_000), [event(f"n{number}") for number in range(20)]
    outbox = Outbox.create(tmp_path)
    outbox.add(*map(encode_row, (*small[:10], large, *small[10:])))
    client.command("ALTER TABLE rollup_properties ADD CONSTRAINT few CHECK throwIf(length(name) > 9999) = 0")
    with loading(outbox, tmp_path, Clients(database.url)):
        until(lambda: outbox.pending == 1, "others wait for it")
        expected = recount([*small, large])
        found = tables(client)
        del expected["rollup_properties"], found["rollup_properties"]
        assert found == expected
        client.command("ALTER TABLE rollup_properties DROP CONSTRAINT few")
        until(lambda: not outbox.pending, "the large event waits")
    assert tables(client) == recount([*small, large])
    assert census(tmp_path).quarantined == 0


class Capped(Clients):
    """Clients whose statements have little memory, as limited by the profile of their user."""

    def get(self) -> Client:
        """Return a client with the limit."""
        client = super().get()
        client.set_client_setting("max_memory_usage", 40_000_000)
        return client


@pytest.mark.parametrize("number", [12, 30])
def test_a_batch_that_takes_too_much_memory_is_divided(
    database: LocalClickHouse, client: Client, tmp_path: Path, number: int
) -> None:
    """F1: long names with 30 properties each, under a constant limit, with ordinary events behind them."""
    large = [event(f"{each:03}" + "n" * 40_000, properties=30) for each in range(number)]
    small = [event(f"n{each}") for each in range(20)]
    outbox = Outbox.create(tmp_path)
    outbox.add(*map(encode_row, large))
    outbox.add(*map(encode_row, small))
    names = "SELECT sum(count) FROM rollup_events WHERE step = 900 AND length(name) < 9"
    with loading(outbox, tmp_path, Capped(database.url)):
        until(lambda: client.query(names).result_rows[0][0] == len(small), "ordinary events wait")
        until(lambda: not outbox.pending, "events wait")
    assert tables(client) == recount([*large, *small])
