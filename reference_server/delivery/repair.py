"""Rebuild missing tables exactly while events arrive: no events are loaded meanwhile.

A rollup is rebuilt from the stored events. A step that has stored its events, but has not filled that rollup
yet, must not fill it a second time, so it is marked as done with it.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from clickhouse_connect.driver.client import Client

from reference_server.delivery.steps import ERASING, InsertStep, prepare, read_steps, write
from reference_server.event import EventRow
from reference_server.storage.client import Clients
from reference_server.storage.rollups import missing
from reference_server.storage.schema import decode_row, encode_row, migrate, migrate_cluster
from reference_server.storage.store import TABLES, Stage, is_sealed

_LOG = logging.getLogger(__name__)


@contextmanager
def loading(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Prevent repairs while events are loaded from a folder, or (``alone``) all loading during a repair."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def repair(clients: Clients, folder: Path, adopted: Iterable[Path] = ()) -> None:
    """Migrate the database and rebuild missing tables.

    ``folder`` holds the outboxes of this server, ``adopted`` are the folders that it stores for ended ones.
    Servers of earlier versions must not be running, nor, if a rollup is missing and there is no cluster,
    servers with another folder but the same database. Raises clickhouse-connect's errors, OSError,
    sqlite3.Error, and BadCluster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with loading(folder, alone=True):
        if clients.cluster:
            migrate_cluster(clients)
        else:
            client = clients.get()
            migrate(client, lambda: _skip(client, (folder, *adopted)))


def is_stored(client: Client, outbox: str, step: InsertStep, line: bytes, *, cluster: bool = False) -> bool:
    """Seal a step (see ``steps``); return True if the first table that is not done has its rows.

    ``line`` is one of the rows. Repeated calls give the same answer. Raises clickhouse-connect's errors.
    """
    marker = step.marker(outbox)
    row = EventRow(
        site_id=marker,
        timestamp=decode_row(line).timestamp,  # Tokens are known per partition, which is a month.
        type="custom",
        name="seal",
        visitor_id="seal",
        session_id="seal",
        pageview_id="",
        hostname="",
        pathname="",
        referrer="",
        meta_keys=("seal",),
        meta_values=("seal",),
        revenue_source_amount=None,
        revenue_source_currency="",
    )
    table, shard = step.place
    stage = Stage(client, f"staging_{outbox}", shards=int(cluster))  # One: the marker goes to any shard.
    stage.fill(encode_row(row), 1)
    stage.store(table, step.token(outbox), shard)
    return not is_sealed(client, table, marker)


def _skip(client: Client, folders: Iterable[Path]) -> None:
    """Mark all steps as done with the rollups that are about to be rebuilt from their events."""
    tables = [TABLES.index(rollup.table) for rollup in missing(client)]
    if client.query("SELECT 1 FROM events LIMIT 1").result_rows:
        _LOG.warning("rebuilding %s from events", ", ".join(TABLES[table] for table in tables))
    for file in sorted(file for folder in folders for file in folder.glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as db:
                prepare(db)
                for step in read_steps(db):
                    write(db, _skipping(client, db, file.stem, step, tables))
        except sqlite3.DatabaseError as error:
            _LOG.error("the outbox %s cannot be read (%s): its events are not loaded", file, error)


def _skipping(
    client: Client, db: sqlite3.Connection, outbox: str, step: InsertStep, tables: Iterable[int]
) -> InsertStep:
    if not step.done & 1 and step.seal != ERASING:
        find = "SELECT lines FROM events WHERE number BETWEEN ? AND ? ORDER BY number LIMIT 1"
        [line] = db.execute(find, (step.first, step.last)).fetchone() or [b""]
        if not line:
            return step
        if not is_stored(client, outbox, step, line.partition(b"\n")[0]):
            return replace(step, generation=step.generation + 1, seal=ERASING)
        step = replace(step, done=step.done | 1 if step.generation else step.complete, seal=0)
    if not step.done & 1:
        return step
    if step.done != step.complete and step.place[0] in tables:
        step = replace(step, seal=0)
    return replace(step, done=step.done | sum(1 << table for table in tables if not step.done >> table & 1))
