"""Accepted events on disk until ClickHouse has them: acknowledged events outlive the process (STORE-5).

Each worker process has its own outbox, a SQLite file in a folder that all of them share. If a process ends,
another one adopts its file.
"""

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from reference_server.delivery import blocks
from reference_server.delivery.counters import GONE_ACCEPTED, GONE_STORED, Counts
from reference_server.delivery.damage import contain, is_contained, read_mark
from reference_server.delivery.outbox_file import (
    LAST,
    is_copy,
    locked,
    note_progress,
    sync_folder,
    token_name,
    unlock,
)
from reference_server.delivery.steps import ASKING, ERASING, InsertStep, read_steps, remove, write
from reference_server.sqlite_damage import Damaged, is_damage

# Seconds until a row is retried that ClickHouse refuses alone, but not for its content; doubled each time.
_FIRST_DELAY, _LAST_DELAY = 2.0, 300.0
_SIZE = "SELECT coalesce(sum(count), 0), coalesce(sum(length(lines) - count + 1), 0) FROM events"
_LOG = logging.getLogger(__name__)


class StoreUnavailable(Exception):
    """The event cannot be stored now; the sender may try again."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows to insert together, one per line, and the token by which ClickHouse recognises a repetition."""

    token: str
    step: InsertStep
    lines: bytes
    known: bool
    """True if the outcome of every statement so far is known."""

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.lines.count(b"\n") + 1

    @property
    def size(self) -> int:
        """Number of bytes in the rows, without line ends."""
        return len(self.lines) - self.count + 1


class Outbox:
    """The events that one process has accepted. Safe for use from several threads."""

    def __init__(self, file: Path, lock: int, *, durability: str, max_bytes: int) -> None:
        self._file = file
        self._lock_file = lock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._something = threading.Event()
        self.pending = self._bytes = self._last = 0
        # Keyed by the first event of a step: steps with known outcomes, delays with the time of the next
        # attempt, and refused steps.
        self._known: set[int] = set()
        self._delays: dict[int, tuple[float, float]] = {}
        self._behind: set[int] = set()
        self._new_first = False
        self._db = blocks.open_database(file, durability)
        try:
            self.pending, self._bytes = self._db.execute(_SIZE).fetchone()
            [self._last] = self._db.execute(LAST).fetchone()
        except sqlite3.Error:
            self._db.close()
            raise

    @classmethod
    def create(cls, folder: Path, *, durability: str = "power", max_bytes: int = 1024**3) -> Self:
        """Create an outbox for this process. Raises OSError and sqlite3.Error."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{secrets.token_hex(8)}.sqlite"
        lock = locked(file)
        assert lock is not None
        outbox = cls(file, lock, durability=durability, max_bytes=max_bytes)
        if durability == "power":
            # The names of the file and of new folders above it must outlive a power cut as well.
            for place in (folder, *list(folder.parents)[:3]):
                sync_folder(place)
        return outbox

    @classmethod
    def abandoned(cls, folder: Path) -> Iterator[Self]:
        """Yield the outboxes of processes that have ended, opening each when it is reached.

        Damaged ones are contained (see ``damage``) and skipped.
        """
        for file in sorted(folder.glob("*.sqlite")):
            if is_contained(file):
                continue
            lock = locked(file)
            if lock is None:
                continue
            if not file.exists():  # Another process had it, and has removed it.
                unlock(file, lock)
                continue
            try:
                if mark := read_mark(file):  # The process that marked it ended before containing it.
                    raise Damaged(mark.reason)
                # Truncated to nothing, or never initialised. The two look the same, so the file is kept.
                if not file.stat().st_size:
                    raise Damaged("the file is empty")
                outbox = cls(file, lock, durability="power", max_bytes=0)
            except (sqlite3.Error, OSError) as error:
                _let_go(file, lock, error)
                continue
            yield outbox

    def add(self, *rows: bytes) -> None:
        """Store encoded rows, all or none.

        Raises sqlite3.Error, and StoreUnavailable if the outbox is full.
        """
        size = sum(map(len, rows))
        with self._lock:
            if self._bytes + size > self._max_bytes:
                raise StoreUnavailable(f"the outbox is full: {self.pending} events wait for ClickHouse")
            self._last = blocks.append(self._db, self._last, rows)
            if not self.pending:
                note_progress(self._lock_file)
            self.pending += len(rows)
            self._bytes += size
        self._something.set()

    def probe(self) -> None:
        """Write to the file as ``add`` does.

        Raises sqlite3.Error, and StoreUnavailable if the outbox is full.
        """
        with self._lock:
            if self._bytes >= self._max_bytes:
                raise StoreUnavailable(f"the outbox is full: {self.pending} events wait for ClickHouse")
            self._db.execute("PRAGMA user_version = 1")

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self._file

    @property
    def accepted(self) -> int:
        """Number of events ever put into the outbox."""
        return self._last

    def wait(self, seconds: float) -> None:
        """Return when there is an event to insert, after ``wake``, or after ``seconds``."""
        self._something.wait(seconds)

    def wake(self) -> None:
        """Make ``wait`` return."""
        self._something.set()

    def next_batch(
        self, most: int, most_bytes: int, most_cost: int = blocks.ALL, *, shards: int = 1
    ) -> Batch | None:
        """Return the rows of an unfinished step, or else the oldest other rows, limited as by ``fitting``.

        A new step is for a number of ``shards``. Returns None if nothing is due. Raises sqlite3.Error.
        """
        with self._lock:
            steps = self._unfinished()
            due = [step for step in steps if self._is_due(step)]
            for step in due:
                if step.first not in self._behind:
                    return self._batch(step)
            # Refused rows alternate with new ones, small rows before large ones.
            refused = min(due, key=partial(blocks.mean_row_bytes, self._db), default=None)
            if refused and not self._new_first:
                self._new_first = True
                return self._batch(refused)
            self._new_first = False
            after = max((step.last for step in steps), default=0)
            new = blocks.next_step(self._db, after, most, most_bytes, most_cost, shards=shards)
            if new:
                write(self._db, new)
                self._known.add(new.first)
                return self._batch(new)
            if refused:
                return self._batch(refused)
            self._something.clear()
            return None

    def keep(self, batch: Batch, *, done: int, known: bool) -> None:
        """Record which tables have a step, and if the outcome of its last statement is known."""
        with self._lock:
            write(self._db, replace(batch.step, done=done))
            (self._known.add if known else self._known.discard)(batch.step.first)

    def halve(self, batch: Batch, done: int = 0) -> None:
        """Divide a step that was refused as a whole into two halves."""
        step = replace(batch.step, done=done)
        middle = step.first + (step.last - step.first) // 2
        with self._lock, blocks.transaction(self._db):
            blocks.split(self._db, middle)
            write(self._db, replace(step, last=middle, generation=1))
            write(self._db, replace(step, first=middle + 1, generation=1))
            self._known |= {step.first, middle + 1}
            self._behind |= {step.first, middle + 1}

    def seal(self, batch: Batch, done: int) -> None:
        """Request a seal for a step that was refused after an attempt of unknown outcome."""
        with self._lock:
            write(self._db, replace(batch.step, done=done, seal=ASKING))

    def sealed(self, batch: Batch, *, stored: bool) -> None:
        """Record the answer to a seal: ``stored`` if the first table that is not done has the rows."""
        step = batch.step
        if stored:
            done = step.complete if not step.generation else step.done | step.done + 1
            step = replace(step, done=done, seal=0)
        else:
            step = replace(step, generation=step.generation + 1, seal=ERASING)
        with self._lock:
            write(self._db, step)
            self._known.add(step.first)

    def erased(self, batch: Batch) -> None:
        """Record that the marker of a seal was removed."""
        with self._lock:
            write(self._db, replace(batch.step, seal=0))

    def put_off(self, batch: Batch, done: int) -> None:
        """Postpone a row that a table refuses now; others go first."""
        first = batch.step.first
        with self._lock:
            write(self._db, replace(batch.step, done=done))
            delay = min(2 * self._delays[first][0], _LAST_DELAY) if first in self._delays else _FIRST_DELAY
            self._delays[first] = (delay, time.monotonic() + delay)
            self._known.add(first)
            self._behind.add(first)

    def stored(self, batch: Batch) -> None:
        """Remove a batch that all tables have."""
        self._remove(batch)

    def quarantine(self, batch: Batch, reason: str) -> None:
        """Move the only row of a batch to the quarantine, with the reason why ClickHouse refuses it."""
        assert batch.count == 1
        self._remove(
            batch, "INSERT INTO quarantine SELECT number, lines, ? FROM events WHERE number = ?", reason
        )

    @property
    def name(self) -> str:
        """Prefix of the tokens and staging tables of this outbox."""
        return token_name(self._file)

    def close(self, counts: Counts | None = None, damage: str = "") -> None:
        """Close the file, and remove it if it is empty; ``counts`` then keeps the number of its events.

        If ``damage`` gives a reason, the file is kept and contained (see ``damage``).
        """
        if damage:
            with self._lock:
                self._db.close()
            _let_go(self._file, self._lock_file, Damaged(damage))
            return
        with self._lock:
            try:
                left = self._db.execute(
                    "SELECT number FROM events UNION SELECT number FROM quarantine"
                ).fetchone()
            except sqlite3.Error:  # Damaged: keep it.
                left = True
            self._db.close()
        if not left:
            with counts.exclusive() if counts else nullcontext():
                if counts:
                    # The events of a copy were counted by the mark of the damaged file.
                    gone = 0 if is_copy(self._file) else self._last
                    counts.count({GONE_ACCEPTED: gone, GONE_STORED: gone})
                for suffix in ("", "-wal", "-shm"):
                    self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        unlock(self._file, self._lock_file)

    def _unfinished(self) -> list[InsertStep]:
        """Return the steps that have rows left, and remove the others."""
        steps = []
        for step in read_steps(self._db):
            if blocks.has_rows(self._db, step):
                steps.append(step)
            else:
                remove(self._db, step.first)
        return steps

    def _is_due(self, step: InsertStep) -> bool:
        return step.first not in self._delays or self._delays[step.first][1] <= time.monotonic()

    def _batch(self, step: InsertStep) -> Batch:
        lines = blocks.lines_of(self._db, step)
        return Batch(token=step.token(self.name), step=step, lines=lines, known=step.first in self._known)

    def _remove(self, batch: Batch, before: str = "", *values: Any) -> None:
        step = batch.step
        with self._lock:
            with blocks.transaction(self._db):
                if before:
                    self._db.execute(before, (*values, step.last))
                self._db.execute("DELETE FROM events WHERE number BETWEEN ? AND ?", (step.first, step.last))
                remove(self._db, step.first)
            self._known.discard(step.first)
            self._behind.discard(step.first)
            self._delays.pop(step.first, None)
            self.pending -= batch.count
            self._bytes -= batch.size
            note_progress(self._lock_file)


def _let_go(file: Path, lock: int, error: Exception) -> None:
    """Contain a damaged outbox of an ended process, or log any other error; unlock it in both cases."""
    try:
        if not is_damage(error):
            raise error
        contain(file, str(error))
    except (sqlite3.Error, OSError) as failed:
        _LOG.error("the outbox %s cannot be opened now and will be retried: %s", file, failed)
    finally:
        unlock(file, lock)
