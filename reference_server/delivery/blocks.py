"""Blocks of events in the database of an outbox: opening, appending, dividing, and the next ones to store.

All functions take a connection that the caller has locked, and raise sqlite3.Error.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reference_server.delivery.outbox_file import INSERT, TABLES, Block, checked
from reference_server.delivery.steps import InsertStep, prepare
from reference_server.sqlite_damage import Damaged
from reference_server.storage.schema import fitting

# The first versions stored each event in a row of its own.
_ROWS_TO_BLOCKS = """
BEGIN;
ALTER TABLE events RENAME COLUMN row TO lines;
ALTER TABLE events ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
COMMIT;
"""
_LARGEST_BLOCK = 100
_RANGE = "SELECT number, count, lines FROM events WHERE number BETWEEN ? AND ? ORDER BY number"
_SYNCHRONOUS = {"process": "OFF", "power": "FULL"}

ALL = 2**63 - 1
"""No limit: the largest integer of SQLite."""


def open_database(file: Path, durability: str) -> sqlite3.Connection:
    """Open or create the database of an outbox, for use from several threads in turn."""
    db = sqlite3.connect(file, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # A write that has reached the kernel outlives the process. Only ``power`` needs fsync.
        db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        if "row" in {name for _, name, *_ in db.execute("PRAGMA table_info(events)")}:
            db.executescript(_ROWS_TO_BLOCKS)
        db.executescript(TABLES)
        prepare(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit the statements of a with block together, or none of them."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # A full disk has rolled back already.
            db.execute("ROLLBACK")
        raise


def append(db: sqlite3.Connection, last: int, rows: Sequence[bytes]) -> int:
    """Append rows after the event ``last``, in blocks, within one transaction; return the new last number."""
    with transaction(db):
        for first in range(0, len(rows), _LARGEST_BLOCK):
            part = rows[first : first + _LARGEST_BLOCK]
            last += len(part)
            db.execute(INSERT, (last, len(part), b"\n".join(part)))
    return last


def split(db: sqlite3.Connection, number: int) -> None:
    """Make a block end with this event."""
    query = "SELECT number, count, lines FROM events WHERE number >= ? ORDER BY number LIMIT 1"
    [(last, count, lines)] = checked(db.execute(query, (number,)))
    if last == number:
        return
    rows, rest = lines.split(b"\n"), last - number
    db.execute(
        "UPDATE events SET count = ?, lines = ? WHERE number = ?", (rest, b"\n".join(rows[-rest:]), last)
    )
    db.execute(INSERT, (number, count - rest, b"\n".join(rows[:-rest])))


def has_rows(db: sqlite3.Connection, step: InsertStep) -> bool:
    """Return True if a step has rows left."""
    return db.execute(f"{_RANGE} LIMIT 1", (step.first, step.last)).fetchone() is not None


def mean_row_bytes(db: sqlite3.Connection, step: InsertStep) -> float:
    """Return the mean size of a step's rows, in bytes."""
    query = "SELECT sum(length(lines)) / sum(count) FROM events WHERE number BETWEEN ? AND ?"
    return float(db.execute(query, (step.first, step.last)).fetchone()[0])


def lines_of(db: sqlite3.Connection, step: InsertStep) -> bytes:
    """Return the rows of a step, one per line. Raises Damaged."""
    blocks = checked(db.execute(_RANGE, (step.first, step.last)))
    return b"\n".join(lines for *_, lines in blocks)


def next_step(
    db: sqlite3.Connection, after: int, most: int, most_bytes: int, most_cost: int, *, shards: int = 1
) -> InsertStep | None:
    """Return a step of the oldest rows after a number, limited as by ``fitting``, or None.

    It is for a number of shards. Raises Damaged.
    """
    found = db.execute(f"{_RANGE} LIMIT ?", (after + 1, ALL, most))
    blocks = list(_bounded(checked(found), most, most_bytes))
    if not blocks:
        return None
    first = blocks[0][0] - blocks[0][1] + 1
    count = sum(count for _, count, _ in blocks)
    try:
        fit = fitting(b"\n".join(lines for *_, lines in blocks).split(b"\n"), most_cost)
    except ValueError as error:
        raise Damaged(f"a row at or after event {first} is malformed: {error}") from error
    if fit == count:
        return InsertStep(first=first, last=blocks[-1][0], shards=shards)
    for number, size, _ in blocks:
        if fit <= size:
            with transaction(db):
                split(db, last := number - size + fit)
            return InsertStep(first=first, last=last, shards=shards)
        fit -= size
    raise AssertionError("a batch has more rows than its blocks")


def _bounded(blocks: Iterable[Block], most: int, most_bytes: int) -> Iterator[Block]:
    """Yield the first blocks within the limits on rows and bytes, at least one."""
    rows = size = 0
    for block in blocks:
        _, count, lines = block
        rows, size = rows + count, size + len(lines)
        if rows > count and (rows > most or size > most_bytes):
            return
        yield block
