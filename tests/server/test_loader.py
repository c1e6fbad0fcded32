"""The loader stores each event once in a real ClickHouse, whatever goes wrong after an insert."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from reference_server.delivery.census import census
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.event import EventRow
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import EVENT_TYPES, encode_row, migrate
from tests.server.polling import until
from tests.server.test_outbox import line, row
from tests.server.unreliable import Unreliable, one_after_the_other

SECONDS = 20.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """A ClickHouse with our tables."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as clickhouse:
        with_client(clickhouse, migrate)
        yield clickhouse


def with_client(clickhouse: LocalClickHouse, action: Callable[[Client], Any]) -> Any:
    """Call a function with a client of its own."""
    client = connect(clickhouse.url)
    try:
        return action(client)
    finally:
        client.close()


def stored(clickhouse: LocalClickHouse) -> list[str]:
    """Return the names in the table, in order."""
    query = "SELECT name FROM events ORDER BY name"
    return [each[0] for each in with_client(clickhouse, lambda client: client.query(query).result_rows)]


def load(outbox: Outbox, folder: Path, clients: Clients) -> None:
    """Run a loader until the outbox is empty."""
    loader = Loader(OwnOutbox(lambda: outbox), folder, clients)
    loader.start()
    deadline = time.monotonic() + SECONDS
    while outbox.pending:
        assert time.monotonic() < deadline, f"{outbox.pending} events wait"
        time.sleep(0.01)
    loader.stop(SECONDS)


@pytest.fixture(autouse=True)
def empty(database: LocalClickHouse) -> None:
    """Empty the table before each test."""
    with_client(database, lambda client: client.command("TRUNCATE TABLE events"))


def test_the_rest_of_a_burst_is_stored_at_once(database: LocalClickHouse, tmp_path: Path) -> None:
    """A look for outboxes of ended processes between two batches is not followed by a rest."""
    mine = Outbox.create(tmp_path)
    for month in (10, 11):  # Two batches: a table is partitioned by month.
        moment = datetime(2026, month, 1, tzinfo=UTC)
        mine.add(encode_row(row(f"month {month}")._replace(timestamp=moment, type="custom")))
    own, woken = OwnOutbox(lambda: mine), threading.Event()
    own.wait = lambda _: woken.wait(600)  # type: ignore[assignment, method-assign]
    loader = Loader(own, tmp_path, Clients(database.url))
    loader.start()
    try:
        until(lambda: stored(database) == ["month 10", "month 11"], "the second batch waits")
    finally:
        woken.set()
        loader.stop(SECONDS)
    mine.close()


@pytest.mark.parametrize("faults", [("before", "before"), ("after",), ("after", "after", "before")])
def test_a_repeated_insert_stores_once(
    database: LocalClickHouse, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    """STORE-5: holds if ClickHouse had the rows when its answer got lost, or had not; equal rows stay two."""
    outbox, clients = (
        Outbox.create(tmp_path),
        Unreliable(database.url, one_after_the_other(*faults), greetings=4),
    )
    for name in ("a", "b", "b"):
        outbox.add(line(name))
    load(outbox, tmp_path, clients)
    assert stored(database) == ["a", "b", "b"]
    assert clients.inserts > len(faults)


def test_columns_hold_what_was_written(database: LocalClickHouse, tmp_path: Path) -> None:
    """Rows keep text of several kinds, exact amounts, and times in milliseconds."""
    amounts = (None, "49.990000000", "-0.000000001", "1E-9", "99999999999999999999.999999999", "0")
    rows = [row(f"n{number}", amount) for number, amount in enumerate(amounts)]
    outbox = Outbox.create(tmp_path)
    outbox.add(*map(encode_row, rows))
    load(outbox, tmp_path, Clients(database.url))
    query = f"SELECT {', '.join(EVENT_TYPES)} FROM events ORDER BY name"
    found = with_client(database, lambda client: client.query(query).result_rows)
    expected = [each._replace(timestamp=each.timestamp.replace(microsecond=123000)) for each in rows]
    assert [EventRow(*map(frozen, each)) for each in found] == expected


def frozen(value: Any) -> Any:
    """Return a value of a result in the form of our rows: arrays as tuples, times with their zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return tuple(value) if isinstance(value, list) else value


def test_a_row_that_is_refused_costs_no_other(database: LocalClickHouse, tmp_path: Path) -> None:
    """A row in the middle that violates a constraint goes to the quarantine; all others are stored."""
    constraint = "ALTER TABLE events {} CONSTRAINT harmless"
    with_client(database, lambda c: c.command(f"{constraint.format('ADD')} CHECK name != 'poison'"))
    try:
        outbox = Outbox.create(tmp_path)
        for name in ("a", "b", "poison", "c", "d"):
            outbox.add(line(name))
        load(outbox, tmp_path, Clients(database.url))
    finally:
        with_client(database, lambda c: c.command(constraint.format("DROP")))
    assert stored(database) == ["a", "b", "c", "d"]
    assert census(tmp_path).quarantined == 1


def test_a_process_that_ends_takes_its_time_and_no_more(tmp_path: Path) -> None:
    """If ClickHouse is unavailable, ``stop`` returns in time, and events stay on disk."""
    outbox = Outbox.create(tmp_path)
    loader = Loader(OwnOutbox(lambda: outbox), tmp_path, Clients("http://127.0.0.1:9"))
    outbox.add(line("a"))
    loader.start()
    loader.stop(0.5)
    assert not [thread for thread in threading.enumerate() if thread.name == "loader" and thread.is_alive()]
    assert census(tmp_path).pending == 1


def test_what_others_left_is_loaded_too(database: LocalClickHouse, tmp_path: Path) -> None:
    """An abandoned outbox is emptied by another process, and its file removed."""
    left = Outbox.create(tmp_path)
    left.add(line("left"))
    left.close()  # As the kernel does when a process ends.
    mine = Outbox.create(tmp_path)
    mine.add(line("mine"))
    loader = Loader(OwnOutbox(lambda: mine), tmp_path, Clients(database.url))
    loader.start()
    deadline = time.monotonic() + SECONDS
    while census(tmp_path).pending:
        assert time.monotonic() < deadline, "what was left is not loaded"
        time.sleep(0.01)
    loader.stop(SECONDS)
    assert stored(database) == ["left", "mine"]
    mine.close()
    assert list(tmp_path.iterdir()) == []


def test_new_events_do_not_wait_for_adopted_ones(database: LocalClickHouse, tmp_path: Path) -> None:
    """While ClickHouse refuses what another node left, events of this node are stored."""
    left, mine = Outbox.create(tmp_path / "left"), Outbox.create(tmp_path / "own")
    left.add(line("old"))
    os.close(left._lock_file)  # As the kernel does when the process ends.
    refused = {left.name}

    class Refusing(Unreliable):
        refusals = 0

        def command(self, text: str, *values: Any, **options: Any) -> Any:
            """Execute a statement unless it is about a refused outbox."""
            if any(name in text for name in refused):
                self.refusals += 1
                raise OSError("refused")
            return super().command(text, *values, **options)

    clients = Refusing(database.url, one_after_the_other())
    loader = Loader(OwnOutbox(lambda: mine), tmp_path / "own", clients, adopted=[tmp_path / "left"])
    loader.start()
    try:
        mine.add(line("first"))
        until(lambda: clients.refusals, "the adopted outbox is not tried")
        mine.add(line("second"))
        until(lambda: stored(database) == ["first", "second"], "new events wait")
        refused.clear()
        until(lambda: not left.file.exists(), "the adopted outbox is not emptied and removed")
    finally:
        loader.stop(SECONDS)
    assert stored(database) == ["first", "old", "second"]
    mine.close()


def test_others_are_not_counted_while_an_outcome_is_unknown(
    database: LocalClickHouse, tmp_path: Path
) -> None:
    """QUOTA-1: rows whose answer got lost, stored or not, would count twice."""
    left, mine = Outbox.create(tmp_path / "left"), Outbox.create(tmp_path / "own")
    for month in (10, 11):  # Two batches: a table is partitioned by month.
        moment = datetime(2026, month, 1, tzinfo=UTC)
        left.add(encode_row(row("old")._replace(timestamp=moment, type="custom")))
    os.close(left._lock_file)
    told: list[str] = []

    class Losing(Unreliable):
        def command(self, text: str, *values: Any, **options: Any) -> Any:
            """Execute a statement; of the first one that stores our event, the answer gets lost."""
            done = super().command(text, *values, **options)
            if text.startswith("INSERT INTO events"):
                if left.name in text and "new" not in told:
                    told.append("new")
                    mine.add(line("new"))
                elif mine.name in text and "lost" not in told:
                    told.append("lost")
                    raise OSError("no answer in time")
            return done

    class Recording:
        def stored(self, _: bytes) -> None:
            """Record that the outcome is known."""
            told.append("stored")

        def look(self) -> None:
            """Record a look."""
            told.append("look")

    clients = Losing(database.url, one_after_the_other())
    own = OwnOutbox(lambda: mine)
    loader = Loader(own, tmp_path / "own", clients, watcher=Recording(), adopted=[tmp_path / "left"])
    loader.start()
    try:
        until(lambda: not left.file.exists() and not mine.pending, "the outboxes are not emptied")
        until(lambda: told[-1] == "look", "nothing looks again")
    finally:
        loader.stop(SECONDS)
    found = told[told.index("new") :]
    assert found[:4] == ["new", "lost", "stored", "look"]
    assert stored(database) == ["new", "old", "old"]
    mine.close()


def test_what_others_left_does_not_wait_for_a_pause(database: LocalClickHouse, tmp_path: Path) -> None:
    """An abandoned outbox is emptied although the own one gets events all the time."""
    left = Outbox.create(tmp_path)
    left.add(line("left under load"))
    left.close()
    mine = Outbox.create(tmp_path)
    loader = Loader(OwnOutbox(lambda: mine), tmp_path, Clients(database.url))
    loader._looked = time.monotonic()  # The loader has just looked, and found none.
    loader.start()
    deadline = time.monotonic() + SECONDS
    while left.file.exists():
        assert time.monotonic() < deadline, "what was left waits"
        mine.add(line("mine"))
        time.sleep(0.001)
    assert mine.pending
    loader.stop(SECONDS)
    mine.close()
