"""Storing in a cluster: each event once on the shard of its session, whatever fails."""

import os
import signal
import time

import pytest

from reference_server.delivery.census import census
from reference_server.delivery.repair import repair
from reference_server.delivery.steps import read_steps
from reference_server.storage.embedded_cluster import LocalCluster
from reference_server.storage.imports import import_once
from reference_server.storage.schema import decode_row
from tests.cluster.conftest import DEADLINE_SECONDS, Database, expected, row

ROWS = tuple(row(number) for number in range(600))
CUSTOMS = 400
_PLACES = "SELECT session_id FROM events_local GROUP BY session_id"


def test_the_rows_of_a_session_are_on_one_shard(database: Database) -> None:
    """Both shards have sessions, none has a part of another's, and rollups agree with events."""
    clients = database.clients()
    repair(clients, database.folder)
    database.load(clients, *ROWS)
    database.settle()
    assert database.totals() == expected(600, CUSTOMS)
    first, second = ({name for (name,) in database.ask(_PLACES, url)} for url in database.urls)
    assert first
    assert second
    assert not first & second
    assert len(first | second) == 150


def test_a_shard_that_is_killed_gets_its_rows_once(database: Database, cluster: LocalCluster) -> None:
    """The other shard stores its rows; those of the killed one follow when it is back."""
    clients = database.clients()
    repair(clients, database.folder)
    victim = cluster.shards[1]
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)
    victim.stop()
    try:
        outbox = database.load(database.clients(), *ROWS)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any(step.done for step in read_steps(outbox._db)):
            assert time.monotonic() < deadline, "the shard that runs has no rows"
            time.sleep(0.01)
        assert census(database.folder).pending == 600
    finally:
        victim.start()
    database.settle()
    assert database.totals() == expected(600, CUSTOMS)


def test_a_refused_row_is_the_only_one_that_waits(database: Database) -> None:
    """A shard that refuses a row for no fault of the row gets all others, and the row later."""
    clients = database.clients()
    repair(clients, database.folder)
    for url in database.urls:
        check = "throwIf(name = 'refused') = 0"
        database.ask(f"ALTER TABLE events_local ADD CONSTRAINT refusing CHECK {check}", url)
    outbox = database.load(clients, *ROWS[:9], row(600, "refused"))
    database.settle(pending=1)
    assert database.totals() == expected(9, 6)
    for url in database.urls:
        database.ask("ALTER TABLE events_local DROP CONSTRAINT refusing", url)
    database.close()
    outbox.close()
    database.load(clients)
    database.settle()
    assert database.totals() == expected(10, 7)


def test_an_import_is_stored_once(database: Database) -> None:
    """Rows of an import are divided alike; its repetition stores nothing, even if no import is on record."""
    clients = database.clients()
    repair(clients, database.folder)
    rows = [decode_row(line) for line in ROWS]
    assert import_once(clients, "site.example", "history", rows)
    assert not import_once(clients, "site.example", "history", rows)
    database.ask("TRUNCATE TABLE imports_local")
    assert import_once(clients, "site.example", "history", rows)
    assert database.totals() == expected(600, CUSTOMS)
    first, second = (database.ask("SELECT count() FROM events_local", url)[0][0] for url in database.urls)
    assert 0 < first < first + second == 600


def test_another_server_is_used_while_one_is_away(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads and inserts go through the servers that answer; the other one is named, without its password."""
    repair(database.clients(), database.folder)
    name = database.urls[0].rpartition("/")[2]
    clients = database.clients(f"http://ann:secret@127.0.0.1:9/{name}", database.urls[0])
    clients._first = 0  # Processes begin with different servers.
    database.load(clients, *ROWS)
    database.settle()
    assert clients.run(lambda client: client.command("SELECT count() FROM events")) == 600
    told = f"ClickHouse at http://***@127.0.0.1:9/{name} cannot be used and is asked last"
    assert told in caplog.text
    assert "secret" not in caplog.text


def test_a_step_keeps_the_number_of_its_shards(database: Database) -> None:
    """Rows that wait since there was one shard go to that one, and none goes twice."""
    clients = database.clients()
    repair(clients, database.folder)
    outbox = database.load(database.clients("http://127.0.0.1:9/x"))
    outbox.add(*ROWS)
    assert outbox.next_batch(10**6, 10**9, shards=1)
    database.close()
    outbox.close()
    database.load(clients)
    database.settle()
    assert [database.ask("SELECT count() FROM events_local", url)[0][0] for url in database.urls] == [600, 0]
    assert database.totals() == expected(600, CUSTOMS)
