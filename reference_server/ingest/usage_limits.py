"""What may come in: requests of an address in a minute, events of a site in a month; and what did not.

Both limits are off unless they are configured, and then cost an event a note in SQLite; tries of
keys are always limited. The worker processes of a server share the counts: one file in its state folder.
"""

import hashlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from reference_server.addresses import block_of
from reference_server.config import quota_of
from reference_server.delivery.counters import Counts
from reference_server.state_file import StateFile

_FILE = "doors.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS requests (
    minute INTEGER, sender BLOB, count INTEGER NOT NULL, PRIMARY KEY (minute, sender)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS months (
    month TEXT, site TEXT, events INTEGER NOT NULL, PRIMARY KEY (month, site)
) WITHOUT ROWID;
"""
_ANOTHER = """
INSERT INTO {} VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET {counted} = {counted} + 1 RETURNING {counted}
"""
_REQUEST = _ANOTHER.format("requests", counted="count")
_EVENT = _ANOTHER.format("months", counted="events")
_REQUESTS = "SELECT count FROM requests WHERE minute = ? AND sender = ?"

TRIES = 10
"""Keys that may be tried from an address in a minute, by logging in or with a request."""


class UsageLimits:
    """Counts who comes in. ``rate`` 0 is no limit; ``quota`` is by site, with an empty name for others."""

    def __init__(self, folder: Path, *, rate: int = 0, quota: Mapping[str, int] | None = None) -> None:
        self.rate = rate
        self._quota = quota or {}
        self._counts = Counts(folder)
        self._minute = 0
        self._unwritten: Counter[tuple[int, bytes]] = Counter()
        self._lock = threading.Lock()
        self._db = StateFile(folder / _FILE, _TABLES, "synchronous = OFF")

    def within_rate_limit(self, ip: str, now: datetime) -> bool:
        """Count a request of an address, and say whether it is within the limit of this minute."""
        return not self.rate or self._counted(block_of(ip), now) <= self.rate

    def login_wait_seconds(self, ip: str, now: datetime) -> int:
        """Count a try with a key, right or wrong; return 0 if it may be made, or how many seconds to wait."""
        return 0 if self._counted(f"login {block_of(ip)}", now) <= TRIES else _rest_of_minute(now)

    def must_wait(self, ip: str, now: datetime) -> int:
        """Return how many seconds an address has to wait until its next try with a key; count nothing."""
        counter = _counter(f"login {block_of(ip)}", now)
        with self._lock:
            count = self._unwritten[counter]
            with suppress(sqlite3.Error):  # Then what this process has counted has to do.
                count += sum(row[0] for row in self._db.ask(_REQUESTS, counter))
        return 0 if count < TRIES else _rest_of_minute(now)

    def _counted(self, who: str, now: datetime) -> int:
        """Count one more of this minute, and return how many there are.

        While the file cannot be written (on a full disk, say) each process counts for itself.
        """
        counter = _counter(who, now)
        with self._lock:
            try:
                if counter[0] != self._minute:
                    self._minute = counter[0]
                    self._unwritten.clear()
                    self._db.ask("DELETE FROM requests WHERE minute < ?", (self._minute - 1,))
                return int(self._db.ask(_REQUEST, counter)[0][0])
            except sqlite3.Error:
                self._unwritten[counter] += 1
                return self._unwritten[counter]

    def quota(self, site: str) -> int | None:
        """The events that a site may send in a month, or None."""
        return quota_of(self._quota, site)

    def within_quota(self, site: str, now: datetime) -> bool:
        """Count an event or pageview of a site, alike (QUOTA-1), and say whether it is within its quota."""
        quota = self.quota(site)
        if quota is None:
            return True
        return bool(self._db.ask(_EVENT, (_month(now), site))[0][0] <= quota)

    def begin_month(self, now: datetime, stored: Iterable[Sequence[Any]]) -> None:
        """Begin with what ClickHouse has of sites that were not counted yet: the quota may be a new one."""
        rows = [(_month(now), site, events) for site, events in stored]
        self._db.ask_many("INSERT OR IGNORE INTO months VALUES (?, ?, ?)", rows)

    def refused(self, reason: str) -> None:
        """Count something that was turned away, for a reason of ``refusals.REASONS``."""
        self._counts.add(**{reason: 1})

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()
        self._counts.close()


def _counter(who: str, now: datetime) -> tuple[int, bytes]:
    """Return the minute and the digest by which requests are counted: addresses are not written down."""
    minute = int(now.timestamp()) // 60
    return minute, hashlib.blake2b(who.encode(), key=minute.to_bytes(8), digest_size=16).digest()


def _rest_of_minute(now: datetime) -> int:
    return 60 - int(now.timestamp()) % 60


def _month(now: datetime) -> str:
    return now.strftime("%Y-%m")
