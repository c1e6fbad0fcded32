"""Make missing tables anew, exactly, although events are on their way: nothing is loaded meanwhile.

A rollup is made of the events that are stored. Steps that have stored their events, but not yet filled that
rollup, must not fill it again: they are marked as done with it.
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

from reference_server.delivery.steps import ERASING, Step, prepare, read_steps, write
from reference_server.event import EventRow
from reference_server.storage.rollups import missing
from reference_server.storage.schema import decode_row, encode_row, migrate
from reference_server.storage.store import TABLES, Stage, is_sealed

COMPLETE = (1 << len(TABLES)) - 1
"""``done`` of a step whose rows all tables have."""

_LOG = logging.getLogger(__name__)


@contextmanager
def loading(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold off repairs while events are loaded from a folder of outboxes, or all loading (``alone``)."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def repair(client: Client, folder: Path) -> None:
    """Migrate the database and make missing tables anew. ``folder`` has the outboxes.

    Servers of earlier versions must have ended, and so must those of other folders that store into the same
    database. Raises clickhouse-connect's errors, OSError and sqlite3.Error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with loading(folder, alone=True):
        migrate(client, lambda: _skip(client, folder))


def is_stored(client: Client, outbox: str, step: Step, line: bytes) -> bool:
    """Seal a step (see ``steps``) and return whether its first table that is not done has its rows.

    ``line`` is one of the rows. The answer is the same however often it is asked for. Raises
    clickhouse-connect's errors.
    """
    marker = step.marker(outbox)
    row = EventRow(
        site_id=marker,
        timestamp=decode_row(line).timestamp,  # The token is known in a month only.
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
    stage = Stage(client, f"staging_{outbox}")
    stage.fill(encode_row(row), 1)
    stage.store(step.table, step.token(outbox))
    return not is_sealed(client, step.table, marker)


def _skip(client: Client, folder: Path) -> None:
    """Let no step fill the rollups that are about to be made of its events."""
    tables = [TABLES.index(rollup.table) for rollup in missing(client)]
    if client.query("SELECT 1 FROM events LIMIT 1").result_rows:
        _LOG.warning("%s: made anew from events", ", ".join(TABLES[table] for table in tables))
    for file in sorted(folder.glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as db:
                prepare(db)
                for step in read_steps(db):
                    write(db, _skipping(client, db, file.stem, step, tables))
        except sqlite3.DatabaseError as error:
            _LOG.error("%s cannot be read (%s): what is in it is not loaded", file, error)


def _skipping(client: Client, db: sqlite3.Connection, outbox: str, step: Step, tables: Iterable[int]) -> Step:
    if not step.done & 1 and step.seal != ERASING:
        find = "SELECT lines FROM events WHERE number BETWEEN ? AND ? ORDER BY number LIMIT 1"
        [line] = db.execute(find, (step.first, step.last)).fetchone() or [b""]
        if not line:
            return step
        if not is_stored(client, outbox, step, line.partition(b"\n")[0]):
            return replace(step, generation=step.generation + 1, seal=ERASING)
        step = replace(step, done=step.done | 1 if step.generation else COMPLETE, seal=0)
    if not step.done & 1:
        return step
    if step.done != COMPLETE and step.table in tables:
        step = replace(step, seal=0)
    return replace(step, done=step.done | sum(1 << table for table in tables if not step.done >> table & 1))
