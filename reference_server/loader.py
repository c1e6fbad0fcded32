"""Moves events from outboxes to ClickHouse: in batches, each stored once whatever happens in between."""

import logging
import threading
import time
from pathlib import Path

from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, Error, OperationalError

from reference_server.clickhouse.client import Clients
from reference_server.clickhouse.schema import EVENT_TYPES, FORMAT, FORMAT_SETTINGS
from reference_server.outbox import Batch, Outbox

# One of 50,000 rows costs ClickHouse half of one of 10,000: each insert is one into every rollup, too.
_MOST_ROWS, _MOST_BYTES = 50_000, 32 * 1024**2
# Between two inserts, so that a busy server makes few large parts, and ClickHouse has four fifths of its time
# for others; the first after a pause goes at once.
_SHORTEST_PAUSE, _LONGEST_PAUSE, _REST = 0.1, 1.0, 4
_IDLE_SECONDS = 2.0
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.1, 5.0

# Errors of ClickHouse that are about the rows: sent again they would be refused again. All others, known or
# not, may pass: the server is away, full, busy, read-only, or being set up.
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
_LOG = logging.getLogger(__name__)


class Loader:
    """Empties an outbox, and those of processes that are gone, in a thread of its own."""

    def __init__(self, outbox: Outbox, folder: Path, clients: Clients) -> None:
        self._outbox = outbox
        self._folder = folder
        self._clients = clients
        self._ending = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Empty the outbox if so many seconds are enough, and end; what is left stays on disk."""
        self._deadline = time.monotonic() + seconds
        self._ending.set()
        self._outbox.wake()
        self._thread.join(seconds + 1)

    def _run(self) -> None:
        adopted = 0.0
        while not self._ending.is_set() or (self._outbox.pending and time.monotonic() < self._deadline):
            try:
                self._empty(self._outbox)
                if time.monotonic() - adopted > _IDLE_SECONDS and not self._ending.is_set():
                    adopted = time.monotonic()
                    self._adopt()
            except Exception:
                _LOG.exception("the loader goes on after an unexpected error")
                if self._out_of_time(_LAST_RETRY_SECONDS):
                    return
            if not self._ending.is_set():
                self._outbox.wait(_IDLE_SECONDS)

    def _adopt(self) -> None:
        for outbox in Outbox.abandoned(self._folder):
            if outbox.pending:
                _LOG.warning("%d events of a process that is gone are loaded", outbox.pending)
            try:
                self._empty(outbox)
            finally:
                outbox.close()

    def _empty(self, outbox: Outbox) -> None:
        """Insert until nothing is left, or there is no more time."""
        retry = _FIRST_RETRY_SECONDS
        while batch := outbox.next_batch(_MOST_ROWS, _MOST_BYTES):
            began = time.monotonic()
            try:
                self._insert(batch)
            except (ClickHouseError, OSError, ValueError, TypeError, OverflowError) as error:
                if _about_rows(error):
                    self._take_apart(outbox, batch, error)
                    continue
                _LOG.error("%d events wait, as ClickHouse does not take them: %s", outbox.pending, error)
                if self._out_of_time(retry):
                    return
                retry = min(2 * retry, _LAST_RETRY_SECONDS)
                continue
            outbox.stored(batch)
            retry = _FIRST_RETRY_SECONDS
            if batch.count < _MOST_ROWS // 2 and batch.size < _MOST_BYTES // 2:
                took = time.monotonic() - began
                self._ending.wait(min(max(_REST * took, _SHORTEST_PAUSE - took), _LONGEST_PAUSE))

    def _insert(self, batch: Batch) -> None:
        try:
            client = self._clients.get()
        except (ValueError, TypeError) as error:  # An odd answer to a greeting says nothing about the rows.
            raise OperationalError(f"ClickHouse cannot be talked to: {error}") from error
        client.raw_insert(
            "events",
            column_names=tuple(EVENT_TYPES),
            insert_block=batch.lines,
            fmt=FORMAT,
            # By the token the table knows a repetition, when nobody knows what became of the first time.
            settings={
                **FORMAT_SETTINGS,
                "insert_deduplication_token": batch.token,
                "deduplicate_blocks_in_dependent_materialized_views": 1,
            },
        )

    def _take_apart(self, outbox: Outbox, batch: Batch, error: Exception) -> None:
        """Halve a batch that was refused, until the row is found for which it was."""
        if batch.count > 1:
            outbox.smaller(batch)
            return
        _LOG.error("an event was set aside, as ClickHouse will not take it: %s", error)
        outbox.refused(batch, str(error))

    def _out_of_time(self, seconds: float) -> bool:
        """Wait before the next try, in vain if the process ends meanwhile; whether there is none any more."""
        if time.monotonic() + seconds > self._deadline:
            return True
        self._ending.wait(seconds) if not self._ending.is_set() else time.sleep(seconds)
        return time.monotonic() > self._deadline


def _about_rows(error: Exception) -> bool:
    if isinstance(error, Error) and error.code is not None:
        return error.code in _ABOUT_ROWS
    # Without a code it never left the client: the rows could not be encoded, or nobody was reached.
    return isinstance(error, (DataError, ValueError, TypeError, OverflowError))
