"""The outbox of a worker process, replaced by a new file if its own is damaged while it runs."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

from reference_server.delivery.counters import Counts
from reference_server.delivery.damage import DamageMark, write_mark
from reference_server.delivery.outbox import Outbox, StoreUnavailable
from reference_server.delivery.outbox_file import is_copy
from reference_server.sqlite_damage import is_damage


class OwnOutbox:
    """The outbox into which this process puts events. Safe for use from several threads."""

    def __init__(self, begin: Callable[[], Outbox]) -> None:
        """Create the outbox by calling ``begin``, which also creates replacements.

        Raises OSError and sqlite3.Error.
        """
        self._begin = begin
        self._lock = threading.Lock()
        self._damaged: list[tuple[Outbox, str]] = []
        self.current = self._begin()
        """The outbox in use."""

    @property
    def pending(self) -> int:
        """Number of pending events in the file in use."""
        return self.current.pending

    def add(self, *rows: bytes) -> None:
        """Store encoded rows, all or none.

        Raises sqlite3.Error, and StoreUnavailable if the outbox is full.
        """
        self._try(lambda outbox: outbox.add(*rows))

    def probe(self) -> None:
        """Write to the file as ``add`` does.

        Raises sqlite3.Error, and StoreUnavailable if the outbox is full.
        """
        self._try(lambda outbox: outbox.probe())

    def wait(self, seconds: float) -> None:
        """Return when there is work, after ``wake``, or after ``seconds``."""
        self.current.wait(seconds)

    def wake(self) -> None:
        """Make ``wait`` return."""
        self.current.wake()

    def replace(self, damaged: Outbox, error: Exception) -> Outbox:
        """Return the outbox in use; if it is ``damaged``, replace it first.

        Raises sqlite3.Error, and StoreUnavailable if no new file can be created.
        """
        with self._lock:
            if self.current is damaged:
                try:
                    fresh = self._begin()
                    write_mark(damaged.file, _mark(damaged, str(error)))
                except OSError as failed:
                    raise StoreUnavailable(f"{error}; a new outbox cannot be created: {failed}") from failed
                self.current = fresh
                self._damaged.append((damaged, str(error)))
                damaged.wake()
            return self.current

    def contain(self) -> None:
        """Contain the files that were replaced.

        Called by the loader's thread only, so that none of their events is being stored meanwhile.
        """
        while self._damaged:
            damaged, reason = self._damaged.pop()
            with suppress(OSError):  # Counts again: events stored since the mark are not lost.
                write_mark(damaged.file, _mark(damaged, reason))
            damaged.close(damage=reason)

    def close(self, counts: Counts | None = None) -> None:
        """Close the file, and remove it if it is empty; ``counts`` then keeps the number of its events."""
        self.current.close(counts)

    def _try(self, action: Callable[[Outbox], None]) -> None:
        outbox = self.current
        try:
            action(outbox)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            action(self.replace(outbox, error))


def _mark(damaged: Outbox, reason: str) -> DamageMark:
    accepted = 0 if is_copy(damaged.file) else damaged.accepted
    return DamageMark(reason=reason, accepted=accepted, pending=damaged.pending)
