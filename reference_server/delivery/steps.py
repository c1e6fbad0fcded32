"""Steps: the ranges of an outbox that are being stored, with the progress of each, in its SQLite file.

A step is a range of event numbers. Its rows go into the tables one after the other (``store.TABLES``), and
on a cluster into those of one shard after the other; ``done`` has a bit for each table and shard that has
them. The number of shards never changes for a step: further shards are for later steps. All inserts of a
step carry the step's token. A range that ClickHouse refuses is divided; the parts are new ranges with tokens
of their own.

If the outcome of a statement is unknown (no answer, or the process ended), the same statement is repeated. If
the repetition is refused, the step is sealed: a marker row is inserted under the same token. If the table
takes the marker, the rows were not stored and never will be under this token, and the step continues with the
token of its next ``generation``. If the table ignores the marker, it knows the token and has the rows.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reference_server.storage.store import TABLES

ASKING, ERASING = 1, 2
"""Values of ``seal``: the marker is being inserted, or removed again."""

_LARGEST = 2**63 - 1  # Integer of SQLite; more bits are a blob.
_STEPS = """
CREATE TABLE IF NOT EXISTS steps (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 1, seal INTEGER NOT NULL DEFAULT 0, shards INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS attempt (last INTEGER NOT NULL);
"""
# Versions with materialized views had a single attempt; its token is that of generation 0. The seal tells if
# events has its rows. The rollups were rebuilt from events since (see ``rollups.drop_views``).
_FROM_ATTEMPT = """
INSERT OR IGNORE INTO steps (first, last, generation, seal)
    SELECT (SELECT number - count + 1 FROM events ORDER BY number LIMIT 1), last, 0, 1 FROM attempt
    WHERE EXISTS (SELECT 1 FROM events WHERE number <= attempt.last);
DELETE FROM attempt;
"""


@dataclass(frozen=True, kw_only=True)
class InsertStep:
    """A range of events that is being stored."""

    first: int
    last: int
    done: int = 0
    generation: int = 1
    seal: int = 0
    shards: int = 1

    def token(self, outbox: str) -> str:
        """Return the token of the step's statements for an outbox of this name."""
        return _token(outbox, self, self.generation)

    def marker(self, outbox: str) -> str:
        """Return the site of the marker row that seals this generation, or that sealed the previous one."""
        return f"\0{_token(outbox, self, self.generation - (self.seal == ERASING))}"

    @property
    def place(self) -> tuple[int, int]:
        """Index of the first table that may not have the rows, and its shard (from 0)."""
        shard, table = divmod((~self.done & (self.done + 1)).bit_length() - 1, len(TABLES))
        return table, shard

    @property
    def complete(self) -> int:
        """Value of ``done`` if all tables of all shards have the rows."""
        return (1 << len(TABLES) * self.shards) - 1

    def without(self) -> Iterator[tuple[int, int, int]]:
        """Yield table and shard that may not have the rows, and the value of ``done`` once they have."""
        step = self
        while step.done != self.complete:
            table, shard = step.place
            step = replace(step, done=step.done | step.done + 1)
            yield table, shard, step.done


def _token(outbox: str, step: InsertStep, generation: int) -> str:
    return f"{outbox}:{step.first}-{step.last}{f':{generation}' if generation else ''}"


def prepare(db: sqlite3.Connection) -> None:
    """Create the tables, and convert the attempt of an earlier version."""
    db.executescript(f"BEGIN IMMEDIATE; {_STEPS} {_FROM_ATTEMPT} COMMIT;")
    if "shards" not in {name for _, name, *_ in db.execute("PRAGMA table_info(steps)")}:
        db.execute("ALTER TABLE steps ADD COLUMN shards INTEGER NOT NULL DEFAULT 1")


def read_steps(db: sqlite3.Connection) -> Iterator[InsertStep]:
    """Yield the steps, oldest first."""
    for first, last, done, generation, seal, shards in db.execute(
        "SELECT * FROM steps ORDER BY first"
    ).fetchall():
        bits = int.from_bytes(done) if isinstance(done, bytes) else done
        yield InsertStep(first=first, last=last, done=bits, generation=generation, seal=seal, shards=shards)


def write(db: sqlite3.Connection, step: InsertStep) -> None:
    """Add a step, or replace the one with the same first event."""
    done: int | bytes = step.done
    if step.done > _LARGEST:
        done = step.done.to_bytes((step.done.bit_length() + 7) // 8)
    values = (step.first, step.last, done, step.generation, step.seal, step.shards)
    db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?)", values)


def remove(db: sqlite3.Connection, first: int) -> None:
    """Remove the step that begins with this event."""
    db.execute("DELETE FROM steps WHERE first = ?", (first,))
