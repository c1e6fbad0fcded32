"""The loader: moves events from outboxes to ClickHouse in batches, each stored exactly once."""

import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from reference_server.delivery.census import census
from reference_server.delivery.counters import Counts
from reference_server.delivery.outbox import Batch, Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.delivery.repair import is_stored, loading, repair
from reference_server.delivery.steps import ASKING, ERASING
from reference_server.sqlite_damage import is_damage
from reference_server.storage.client import BETWEEN_SERVERS, Clients
from reference_server.storage.store import INCOMPLETE, TABLES, UNKNOWN_TABLE, Stage, erase

# A batch of 50,000 rows costs ClickHouse half as much per row as one of 10,000, because each batch is also
# inserted into every rollup.
_MOST_ROWS, _MOST_BYTES = 50_000, 32 * 1024**2
# Bytes of text in rollup_properties. ClickHouse needs about six times as much memory. 16 MiB is about 46,000
# ordinary events.
_MOST_COST = 16 * 1024**2
# Seconds between two inserts. Under load the parts stay large and ClickHouse keeps four fifths of its time
# for other work; the first insert after a pause starts at once.
_SHORTEST_PAUSE, _LONGEST_PAUSE, _REST = 0.1, 1.0, 4
_IDLE_SECONDS, _LOOK_SECONDS = 2.0, 1.0
_MANY_PUT_OFF, _LARGE_ROW = 20, 10_000
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.1, 5.0

# Errors that do not depend on the rows or on their number: the same batch is tried again.
_NOT_ABOUT_ROWS = {
    81: "UNKNOWN_DATABASE",
    164: "READONLY",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    242: "TABLE_IS_READ_ONLY",
    252: "TOO_MANY_PARTS",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
}
# Errors caused by the content of a row, which repeat if the row is sent again. After any other error, a
# smaller batch may succeed.
_ABOUT_ROWS = {
    6: "CANNOT_PARSE_TEXT",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    117: "INCORRECT_DATA",
    128: "TOO_LARGE_ARRAY_SIZE",
    131: "TOO_LARGE_STRING_SIZE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
}
# An unexpected answer to the client's handshake raises ValueError or TypeError.
_ERRORS = (ClickHouseError, OSError, ValueError, TypeError, OverflowError)
_LOG = logging.getLogger(__name__)


# The first rollup in which events are counted.
_COUNTED = TABLES.index("rollup_traffic")


class Watcher(Protocol):
    """Compares what this process has stored with what ClickHouse has, in the loader's thread."""

    def stored(self, lines: bytes) -> None:
        """Count rows of this process's outbox that are now in the rollup of traffic."""

    def look(self) -> None:
        """Ask ClickHouse, from time to time. Called while the outcome of every statement is known."""


class Loader:
    """A thread that empties the outbox of this process and those of processes that have ended."""

    def __init__(
        self,
        outbox: OwnOutbox,
        folder: Path,
        clients: Clients,
        counts: Counts | None = None,
        *,
        watcher: Watcher | None = None,
        adopted: Sequence[Path] = (),
    ) -> None:
        self._adopted = adopted
        self._watcher = watcher
        self._counts = counts
        self._own = outbox
        self._folder = folder
        self._clients = clients
        self._share = 1.0  # Of the largest batch; reduced after a refusal.
        self._incomplete = False  # True if a table is missing.
        self._put_off = 0  # Rows put off since a batch was last stored.
        self._looked = 0.0  # Time of the last look for outboxes of ended processes.
        self._unsure = False  # True if ClickHouse may have rows of this process that are not counted.
        self._ending = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End the thread, after emptying the outbox if ``seconds`` suffice; other events stay on disk."""
        self._deadline = time.monotonic() + seconds
        self._ending.set()
        self._own.wake()
        self._thread.join(seconds + 1)

    def _run(self) -> None:
        while not self._ending.is_set() or (self._own.pending and time.monotonic() < self._deadline):
            goes_on = False
            try:
                goes_on = self._empty_own()
                self._own.contain()
                self._look()
                if self._adopts():
                    self._looked = time.monotonic()
                    self._adopt()
            except Exception:
                _LOG.exception("unexpected error in the loader, which continues")
                if self._out_of_time(_LAST_RETRY_SECONDS):
                    return
            if not goes_on and not self._ending.is_set():
                self._own.wait(_LOOK_SECONDS if self._watcher else _IDLE_SECONDS)

        self._drop_stage(self._own.current)

    def _adopts(self) -> bool:
        """Return True if it is time to look for outboxes of ended processes."""
        return time.monotonic() - self._looked > _IDLE_SECONDS and not self._ending.is_set()

    def _empty_own(self, *, batches: int | None = None) -> bool:
        """Insert batches of this process; return as ``_empty`` does."""
        outbox = self._own.current
        try:
            return self._empty(outbox, batches)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._own.replace(outbox, error)
            return False

    def _adopt(self) -> None:
        """Store the events of ended processes of this node, and of nodes that this server adopts."""
        self._adopt_from(self._folder)
        for folder in self._adopted:
            try:
                if self._adopt_from(folder) and not census(folder).pending:
                    _LOG.warning("all events of %s are stored: it need not be adopted again", folder)
            except OSError as error:
                _LOG.error("the outbox %s cannot be used now and will be retried: %s", folder, error)

    def _adopt_from(self, folder: Path) -> bool:
        """Store the events of ended processes in a folder; return True if there were any."""
        found = False
        for outbox in Outbox.abandoned(folder):
            found = found or outbox.pending > 0
            if outbox.pending:
                _LOG.warning("loading %d events of a process that has ended", outbox.pending)
            damage = ""
            try:
                self._empty(outbox)
                self._drop_stage(outbox)
            except sqlite3.Error as error:  # Affects this file only: continue with the others.
                if is_damage(error):
                    damage = str(error)
                else:
                    _LOG.error("the outbox %s cannot be used now and will be retried: %s", outbox.file, error)
            finally:
                outbox.close(self._counts, damage)
        return found

    def _empty(self, outbox: Outbox, batches: int | None = None) -> bool:
        """Insert batches until the outbox is empty, ``batches`` were tried, or the deadline has passed.

        Return True if it ended before, for the outboxes of ended processes: under load that of this process
        is never empty.
        """
        retry = _FIRST_RETRY_SECONDS
        while (shards := self._shards()) and (batch := outbox.next_batch(*self._limits(), shards=shards)):
            began = time.monotonic()
            with loading(self._folder):
                goes_on = self._advance(outbox, batch)
            if self._incomplete:
                self._repair()
            if outbox is not self._own.current and self._own.pending:
                self._empty_own(batches=1)  # New events do not wait until an old outbox is empty.
            if batches is not None and (batches := batches - 1) == 0:
                return False
            if not goes_on:
                if self._out_of_time(retry):
                    return False
                retry = min(2 * retry, _LAST_RETRY_SECONDS)
                continue
            retry = _FIRST_RETRY_SECONDS
            self._look()
            if batch.count < _MOST_ROWS // 2 and batch.size < _MOST_BYTES // 2:
                took = time.monotonic() - began
                self._ending.wait(min(max(_REST * took, _SHORTEST_PAUSE - took), _LONGEST_PAUSE))
            if outbox is self._own.current and self._adopts():
                return True
        return False

    def _shards(self) -> int:
        """Return the number of shards; after an error, 0 and a pause."""
        try:
            return self._clients.layout().shards
        except _ERRORS as error:
            _LOG.error("events wait: the cluster's ClickHouse does not tell its shards: %s", error)
            self._out_of_time(_LAST_RETRY_SECONDS)
            return 0

    def _count(self, outbox: Outbox, batch: Batch) -> None:
        # Rows that an ended process left are counted as those of another process.
        if self._watcher and outbox is self._own.current:
            self._watcher.stored(batch.lines)

    def _look(self) -> None:
        if self._watcher and not self._unsure:
            self._watcher.look()

    def _limits(self) -> tuple[int, int, int]:
        rows, size, cost = (int(self._share * most) for most in (_MOST_ROWS, _MOST_BYTES, _MOST_COST))
        return max(rows, 1), max(size, 1), max(cost, 1)

    def _advance(self, outbox: Outbox, batch: Batch) -> bool:
        """Perform the next action for a batch; return False if it must be retried after a pause."""
        done = batch.step.done
        client, cluster = None, bool(self._clients.cluster)
        try:
            client = self._clients.get()
            if batch.step.seal == ERASING:
                erase(self._clients, batch.step.place[0], batch.step.marker(outbox.name))
                outbox.erased(batch)
                if cluster:
                    self._divide(outbox, replace(batch, step=replace(batch.step, seal=0)))
                return True
            if batch.step.seal == ASKING:
                line = batch.lines.partition(b"\n")[0]
                stored = is_stored(client, outbox.name, batch.step, line, cluster=cluster)
                outbox.sealed(batch, stored=stored)
                if stored and batch.step.place == (_COUNTED, batch.step.shards - 1):
                    self._count(outbox, batch)
                return True
            if done != batch.step.complete:
                stage = Stage(client, f"staging_{outbox.name}", shards=batch.step.shards if cluster else 0)
                stage.fill(batch.lines, batch.count)
            for table, shard, then in batch.step.without():
                stage.store(table, batch.token, shard)
                done = then
                if table == _COUNTED and shard == batch.step.shards - 1:
                    self._count(outbox, batch)
                elif table == _COUNTED:  # Until the last shard has its rows, none of them is counted.
                    self._unsure = self._unsure or outbox is self._own.current
        except _ERRORS as error:
            if client:
                self._clients.away(client, error)
            return self._refused(outbox, batch, done, error)
        outbox.stored(batch)
        self._unsure = self._unsure and outbox is not self._own.current
        self._share = min(1.0, 1.1 * self._share)
        self._put_off = 0
        return True

    def _refused(self, outbox: Outbox, batch: Batch, done: int, error: Exception) -> bool:
        """Decide how a batch continues after an error; return False if it must be retried after a pause."""
        code = error.code if isinstance(error, Error) else None
        about_rows = code in _ABOUT_ROWS
        cluster = bool(self._clients.cluster)
        between = cluster and code in BETWEEN_SERVERS
        if code == UNKNOWN_TABLE:
            outbox.keep(batch, done=done, known=batch.known)
            self._incomplete = True
        elif (
            batch.step.seal or code is None or code in _NOT_ABOUT_ROWS or between or INCOMPLETE in str(error)
        ):
            # Without an answer the outcome of the statement is unknown.
            outbox.keep(batch, done=done, known=batch.known and code is not None and not between)
            self._unsure = self._unsure or outbox is self._own.current
        elif not batch.known or (cluster and not about_rows):
            # In a cluster, the server that was asked may have failed after the shard had the rows.
            outbox.seal(batch, done)
            return True
        elif batch.count > 1:
            if not about_rows:
                _LOG.warning(
                    "ClickHouse refused %d events, which are now stored in two halves: %s", batch.count, error
                )
                self._share = min(self._share, batch.size / 2 / _MOST_BYTES)
            outbox.halve(batch, done)
            return True
        elif about_rows and not done:
            _LOG.error("ClickHouse refuses an event for its content; it is now in the quarantine: %s", error)
            outbox.quarantine(batch, str(error))
            return True
        else:
            _LOG.error("ClickHouse refused an event, which will be retried later: %s", error)
            outbox.put_off(batch, done)
            # If even small rows are refused one after the other, the cause is not their size: pause.
            self._put_off += 1
            return self._put_off < _MANY_PUT_OFF or len(batch.lines) > _LARGE_ROW
        _LOG.error("%d events wait: ClickHouse does not store them: %s", outbox.pending, error)
        return False

    def _divide(self, outbox: Outbox, batch: Batch) -> None:
        """Halve a step of a cluster after its seal; put off a single row."""
        if batch.count > 1:
            outbox.halve(batch, batch.step.done)
        else:
            outbox.put_off(batch, batch.step.done)

    def _repair(self) -> None:
        try:
            repair(self._clients, self._folder, self._adopted)
            self._incomplete = False
        except (*_ERRORS, sqlite3.Error) as error:
            _LOG.error("the missing tables could not be rebuilt: %s", error)

    def _drop_stage(self, outbox: Outbox) -> None:
        # If ClickHouse is unavailable, the empty in-memory table remains until its next start.
        with suppress(*_ERRORS):
            Stage(self._clients.get(), f"staging_{outbox.name}").drop()

    def _out_of_time(self, seconds: float) -> bool:
        """Sleep before the next attempt; return True if the deadline has passed."""
        if time.monotonic() + seconds > self._deadline:
            return True
        self._ending.wait(seconds) if not self._ending.is_set() else time.sleep(seconds)
        return time.monotonic() > self._deadline
