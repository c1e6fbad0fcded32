"""Settings per site (time zone and goals) and logins, in one SQLite file that all processes share."""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reference_server.analytics.ranges import zone
from reference_server.state_file import StateFile
from reference_server.text import well_formed

_TABLES = """
CREATE TABLE IF NOT EXISTS timezones (site TEXT PRIMARY KEY, timezone TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS goals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (site, name)
);
CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (number INTEGER PRIMARY KEY, secret BLOB NOT NULL);
"""
_ADD_GOAL = """
INSERT INTO goals (site, name)
SELECT ?, ? WHERE (SELECT count() FROM goals WHERE site = ?) < ? RETURNING id
"""


MOST_GOALS = 100
"""Goals of a site; each refresh of the dashboard counts all of them."""

GOAL_CHARACTERS = 10_000
"""Characters in a goal's name."""


class GoalExists(Exception):
    """The site has a goal of this name already."""


class TooManyGoals(Exception):
    """The site has the maximum number of goals."""


class NoSuchGoal(Exception):
    """The site has no goal with this id."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A goal, completed by custom events of exactly this name."""

    id: int
    event_name: str


class Settings:
    """The settings of all sites."""

    def __init__(self, state_dir: Path) -> None:
        self._db = StateFile(state_dir / "settings.sqlite", _TABLES)

    def timezone(self, site: str) -> str:
        """Return the time zone in which a site's days begin and end."""
        rows = self._ask("SELECT timezone FROM timezones WHERE site = ?", site)
        return str(rows[0][0]) if rows else "UTC"

    def set_timezone(self, site: str, timezone: str) -> None:
        """Set the time zone of a site. Raises ValueError if it is unknown."""
        zone(timezone)
        self._ask("INSERT OR REPLACE INTO timezones VALUES (?, ?)", site, timezone)

    def goals(self, site: str) -> tuple[Goal, ...]:
        """Return the goals of a site, oldest first."""
        rows = self._ask("SELECT id, name FROM goals WHERE site = ? ORDER BY id", site)
        return tuple(Goal(id=number, event_name=name) for number, name in rows)

    def add_goal(self, site: str, event_name: str) -> Goal:
        """Create a goal with exactly this name (GOAL-1).

        Raises GoalExists, TooManyGoals, and ValueError if the name is empty or longer than 10,000
        characters.
        """
        name = well_formed(event_name)  # Names are stored in this form, and the goal must match them.
        if not name:
            raise ValueError("event_name must be a non-empty string")
        if len(name) > GOAL_CHARACTERS:
            raise ValueError(
                f"event_name must have at most {GOAL_CHARACTERS:,} characters (got {len(name):,})"
            )
        try:
            rows = self._ask(_ADD_GOAL, site, name, site, MOST_GOALS)
        except sqlite3.IntegrityError:
            raise GoalExists(f"the site already has a goal named {name[:100]!r}") from None
        if not rows:
            raise TooManyGoals(f"a site has at most {MOST_GOALS} goals: delete one first")
        return Goal(id=rows[0][0], event_name=name)

    def delete_goal(self, site: str, number: int) -> None:
        """Delete a goal. Raises NoSuchGoal."""
        # SQLite integers have 64 bits.
        known = number < 2**63 and self._ask(
            "DELETE FROM goals WHERE site = ? AND id = ? RETURNING id", site, number
        )
        if not known:
            raise NoSuchGoal(f"the site has no goal with the id {str(number)[:20]}")

    def secret(self) -> bytes:
        """Return the key with which the server signs cookies, created on first use."""
        self._ask("INSERT OR IGNORE INTO secrets VALUES (1, ?)", secrets.token_bytes(32))
        return bytes(self._ask("SELECT secret FROM secrets WHERE number = 1")[0][0])

    def begin_login(self, now: datetime, lasts: timedelta) -> str:
        """Return the id of a new login, which is valid in all processes until it ends or expires."""
        login = secrets.token_urlsafe(32)
        self._ask("DELETE FROM logins WHERE expires <= ?", int(now.timestamp()))
        self._ask("INSERT INTO logins VALUES (?, ?)", login, int((now + lasts).timestamp()))
        return login

    def has_login(self, login: str, now: datetime) -> bool:
        """Return True if a login has neither ended nor expired."""
        query = "SELECT 1 FROM logins WHERE id = ? AND expires > ?"
        return bool(self._ask(query, login, int(now.timestamp())))

    def end_login(self, login: str) -> None:
        """End a login in all processes. It may have ended already."""
        self._ask("DELETE FROM logins WHERE id = ?", login)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _ask(self, query: str, *values: str | int | bytes) -> list[tuple[Any, ...]]:
        return self._db.ask(query, values)
