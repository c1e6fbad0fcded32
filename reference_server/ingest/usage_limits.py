"""Limits per minute and address, quotas per month and site, and counters of refused events.

Both limits are off unless configured; each costs an event one write to SQLite. Attempts with keys are always
limited. The worker processes of a node share the counters in one file of the state folder. Each node limits
rates on its own. Quotas count the events of all nodes: those of this node exactly, those of others when
ClickHouse has them (see ``other_nodes``).
"""

import hashlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from reference_server.addresses import block_of
from reference_server.config import quota_of
from reference_server.delivery.counters import Counts
from reference_server.state_file import StateFile

_FILE = "usage_limits.sqlite"
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
"""Attempts with a key that an address has per minute, by login or by header."""


class UsageLimits:
    """Rate-limit and quota counters shared by the worker processes of a node.

    ``rate`` is in requests per minute and address, 0 for no limit. ``quota`` maps a site to its events
    per month; the key "" applies to all other sites.
    """

    def __init__(self, folder: Path, *, rate: int = 0, quota: Mapping[str, int] | None = None) -> None:
        self.rate = rate
        self._quota = quota or {}
        self._counts = Counts(folder)
        self._minute = 0
        self._unwritten: Counter[tuple[int, bytes]] = Counter()
        self._lock = threading.Lock()
        self._others: tuple[str, Mapping[str, int]] = ("", {})
        self._own: tuple[str, Counter[str]] = ("", Counter())
        self._db = StateFile(folder / _FILE, _TABLES, "synchronous = OFF")

    def within_rate_limit(self, ip: str, now: datetime) -> bool:
        """Count a request of an address; return True if it is within this minute's limit."""
        return not self.rate or self._counted(block_of(ip), now) <= self.rate

    def login_wait_seconds(self, ip: str, now: datetime) -> int:
        """Count an attempt with a key; return 0 if it is allowed, or else the seconds to wait."""
        return 0 if self._counted(f"login {block_of(ip)}", now) <= TRIES else _rest_of_minute(now)

    def must_wait(self, ip: str, now: datetime) -> int:
        """Return the seconds until an address may try another key, without counting an attempt."""
        counter = _counter(f"login {block_of(ip)}", now)
        with self._lock:
            count = self._unwritten[counter]
            with suppress(sqlite3.Error):  # Use the count of this process alone.
                count += sum(row[0] for row in self._db.ask(_REQUESTS, counter))
        return 0 if count < TRIES else _rest_of_minute(now)

    def _counted(self, who: str, now: datetime) -> int:
        """Count one more in this minute and return the total.

        While the file cannot be written (for example on a full disk), each process counts on its own.
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
        """Return the events per month that a site may send, or None for no limit."""
        return quota_of(self._quota, site)

    def within_quota(self, site: str, now: datetime) -> bool:
        """Count an event or pageview of a site (QUOTA-1); return True if it is within the quota."""
        quota = self.quota(site)
        if quota is None:
            return True
        month = now.strftime("%Y-%m")
        if self._own[0] != month:
            self._own = month, Counter()
        of_node = int(self._db.ask(_EVENT, (month, site))[0][0])
        others = self._others[1].get(site, 0) if self._others[0] == month else 0
        # Neither number exceeds the truth. The first misses other nodes and what was stored before it was
        # counted, the second what other processes have not stored yet.
        within = max(of_node, others + self._own[1][site] + 1) <= quota
        self._own[1][site] += within
        return within

    def others(self, month: str, stored: Mapping[str, int]) -> None:
        """Set how many events of a month (such as 2026-11) others than this process have stored."""
        self._others = month, stored

    def refused(self, reason: str) -> None:
        """Count a refused event under one of ``counters.REASONS``."""
        self._counts.add(**{reason: 1})

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        self._counts.close()


def _counter(who: str, now: datetime) -> tuple[int, bytes]:
    """Return the minute and a digest of the sender; addresses are never stored."""
    minute = int(now.timestamp()) // 60
    return minute, hashlib.blake2b(who.encode(), key=minute.to_bytes(8), digest_size=16).digest()


def _rest_of_minute(now: datetime) -> int:
    return 60 - int(now.timestamp()) % 60
