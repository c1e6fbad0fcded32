"""What may come in: requests of an address in a minute, events of a site in a month; and what did not.

Both limits are off unless they are configured, and then cost an event a note in SQLite; tries to log in are
always limited. The worker processes of a server share the counts: one file in its state folder.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from reference_server.config import quota_of

_FILE = "doors.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS requests (
    minute INTEGER, sender BLOB, count INTEGER NOT NULL, PRIMARY KEY (minute, sender)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS months (
    month TEXT, site TEXT, events INTEGER NOT NULL, PRIMARY KEY (month, site)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""
_ANOTHER = """
INSERT INTO {} VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET {counted} = {counted} + 1 RETURNING {counted}
"""
_REQUEST = _ANOTHER.format("requests", counted="count")
_EVENT = _ANOTHER.format("months", counted="events")
_REFUSAL = "INSERT INTO refusals VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1"

TRIES = 10
"""How often somebody may try to log in, from an address in a minute."""

REASONS = {
    "rate_limit": "more requests of an address in a minute than CLICKPORT_RATE_LIMIT",
    "quota": "more events of a site in a month than CLICKPORT_QUOTA",
    "unknown_site": "no registered site",
    "malformed": "no event",
    "too_large": "a body larger than CLICKPORT_MAX_BODY",
    "incomplete": "a body that did not come in CLICKPORT_BODY_SECONDS",
    "backlog": "no room in the outbox",
}
"""Why an event is not taken, as the metrics name it."""


class Doors:
    """Counts who comes in. ``rate`` 0 is no limit; ``quota`` is by site, with an empty name for others."""

    def __init__(self, folder: Path, *, rate: int = 0, quota: Mapping[str, int] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rate = rate
        self._quota = quota or {}
        self._minute = 0
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / _FILE, timeout=10, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)

    def lets_in(self, ip: str, now: datetime) -> bool:
        """Count a request of an address, and say whether it is within the limit of this minute."""
        return not self.rate or self._counted(ip, now) <= self.rate

    def may_try(self, ip: str, now: datetime) -> int:
        """Count a try to log in; return 0 if it may be made, or how many seconds to wait."""
        seconds = 60 - int(now.timestamp()) % 60
        return 0 if self._counted(f"login {ip}", now) <= TRIES else seconds

    def _counted(self, who: str, now: datetime) -> int:
        """Count one more of this minute, and return how many there are."""
        minute = int(now.timestamp()) // 60
        # By a digest: addresses are not written down.
        sender = hashlib.blake2b(who.encode(), key=minute.to_bytes(8), digest_size=16).digest()
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._db.execute("DELETE FROM requests WHERE minute < ?", (minute - 1,))
            return int(self._db.execute(_REQUEST, (minute, sender)).fetchall()[0][0])

    def quota(self, site: str) -> int | None:
        """The events that a site may send in a month, or None."""
        return quota_of(self._quota, site)

    def within_quota(self, site: str, now: datetime) -> bool:
        """Count an event or pageview of a site, alike (QUOTA-1), and say whether it is within its quota."""
        quota = self.quota(site)
        if quota is None:
            return True
        with self._lock:
            return bool(self._db.execute(_EVENT, (_month(now), site)).fetchall()[0][0] <= quota)

    def begin_month(self, now: datetime, stored: Iterable[Sequence[Any]]) -> None:
        """Begin with what ClickHouse has of sites that were not counted yet: the quota may be a new one."""
        rows = [(_month(now), site, events) for site, events in stored]
        with self._lock:
            self._db.executemany("INSERT OR IGNORE INTO months VALUES (?, ?, ?)", rows)

    def refused(self, reason: str) -> None:
        """Count something that was turned away."""
        with self._lock, suppress(sqlite3.Error):  # A figure; the answer is more important.
            self._db.execute(_REFUSAL, (reason,))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def refusals(folder: Path) -> dict[str, int]:
    """How often each of REASONS was met by all processes of a server."""
    counts = dict.fromkeys(REASONS, 0)
    address = f"{(folder / _FILE).absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as db:
        counts.update(db.execute("SELECT reason, count FROM refusals").fetchall())
    return counts


def _month(now: datetime) -> str:
    return now.strftime("%Y-%m")
