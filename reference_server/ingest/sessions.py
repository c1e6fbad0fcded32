"""Visitors without cookies, their sessions and their page visits (STORE-4).

A visitor's id depends on the day and on the secret of the server, so that all nodes agree. The tracker sends
the ids of session and page visit; this state serves senders that do not. The worker processes of a node share
it in one SQLite file of the state folder; other nodes begin sessions of their own.
"""

import hashlib
import secrets
from datetime import datetime
from pathlib import Path

from reference_server.secret_file import derived
from reference_server.state_file import StateFile

STATE_FILE = "visits.sqlite"
SESSION_SECONDS = 30 * 60
_FORGET_SECONDS = 24 * 60 * 60

_TABLES = """
DROP TABLE IF EXISTS salts;
CREATE TABLE IF NOT EXISTS sessions (visitor TEXT PRIMARY KEY, session TEXT NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS visits (
    site TEXT, session TEXT, pageview TEXT NOT NULL, seen REAL NOT NULL, PRIMARY KEY (site, session)
);
"""

_TOUCH = """
INSERT INTO sessions (visitor, session, seen) VALUES (:visitor, :fresh, :now)
ON CONFLICT (visitor) DO UPDATE SET
    session = CASE WHEN :now - seen < :pause THEN session ELSE :fresh END,
    seen = MAX(seen, :now)
RETURNING session
"""


def _visitor(salt: bytes, site: str, ip: str, user_agent: str) -> str:
    seen = "\0".join((site, ip, user_agent)).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(seen, key=salt, digest_size=16).hexdigest()


class Sessions:
    """The visitors of a day, and the sessions and page visits of the last one."""

    def __init__(self, state_dir: Path, secret: bytes) -> None:
        self._secret = secret
        self._salts: dict[int, bytes] = {}
        # A power cut can lose links between events here, but no event. Earlier versions kept a salt here. It
        # must be erased: with it, the ids of its day could be traced back to addresses.
        self._db = StateFile(state_dir / STATE_FILE, _TABLES, "synchronous = OFF", "secure_delete = ON")

    def visitor(self, *, site: str, ip: str, user_agent: str, now: datetime) -> str:
        """Return an id that identifies a browser on a site for one day (UTC) and reveals nothing else.

        Ids are not cached: senders choose the texts, and a cache would save only a microsecond.
        """
        return _visitor(self._salt(now), site, ip, user_agent)

    def session(self, visitor: str, now: datetime) -> str:
        """Return the visitor's session; after 30 minutes without an event a new one begins."""
        values = {
            "visitor": visitor,
            "fresh": secrets.token_hex(16),
            "now": now.timestamp(),
            "pause": SESSION_SECONDS,
        }
        return str(self._db.ask(_TOUCH, values)[0][0])

    def enter(self, *, site: str, session: str, pageview: str, now: datetime) -> None:
        """Store the current page visit of a session."""
        values = (site, session, pageview, now.timestamp())
        self._db.ask("INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?)", values)

    def current(self, *, site: str, session: str) -> str:
        """Return the latest known page visit of a session, or ""."""
        query = "SELECT pageview FROM visits WHERE site = ? AND session = ?"
        rows = self._db.ask(query, (site, session))
        return str(rows[0][0]) if rows else ""

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _salt(self, now: datetime) -> bytes:
        """Return the key of the day (UTC); delete expired state when a new day begins."""
        day = now.toordinal()
        salt = self._salts.get(day)
        if salt is None:
            over = now.timestamp() - _FORGET_SECONDS
            self._db.ask("DELETE FROM sessions WHERE seen < ?", (over,))
            self._db.ask("DELETE FROM visits WHERE seen < ?", (over,))
            salt = derived(self._secret, f"visitors of {now.date().isoformat()}")
            self._salts = {day: salt}
        return salt
