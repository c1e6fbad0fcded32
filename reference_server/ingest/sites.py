"""Assignment of events to sites."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from reference_server.domains import site_of
from reference_server.ingest.sessions import STATE_FILE
from reference_server.state_file import StateFile

_TABLE = "CREATE TABLE IF NOT EXISTS sites (site TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID"
_ADMIT = """
INSERT OR IGNORE INTO sites SELECT :site, :now WHERE (SELECT count(*) FROM sites) < :most
"""


class Sites:
    """The registered sites; if none are registered, every site is accepted."""

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = frozenset(filter(None, map(site_of, domains)))

    @property
    def registered(self) -> bool:
        """True if only registered sites are accepted."""
        return bool(self._domains)

    def find(self, addresses: Iterable[str]) -> str | None:
        """Return the site of the first address that names a host, or None if it is not accepted."""
        site = next(filter(None, map(site_of, addresses)), None)
        return site if not self._domains or site in self._domains else None


class FoundSites:
    """Unregistered sites seen so far, limited in number because a sender can invent domains at no cost.

    The worker processes of a node share them in a SQLite file of the state folder, and learn those of
    other nodes from ClickHouse.
    """

    def __init__(self, folder: Path, *, most: int) -> None:
        self.most = most
        self._known: set[str] = set()  # A subset of the file's.
        self._db = StateFile(folder / STATE_FILE, _TABLE, "synchronous = OFF")

    def admit(self, site: str, now: datetime) -> bool:
        """Return True if a site is known or could be added. Raises sqlite3.Error."""
        if site in self._known:
            return True
        self._db.ask(_ADMIT, {"site": site, "now": now.timestamp(), "most": self.most})
        admitted = bool(self._db.ask("SELECT 1 FROM sites WHERE site = ?", (site,)))
        if admitted:
            self._known.add(site)
        return admitted

    def learn(self, stored: Iterable[str]) -> None:
        """Add sites that ClickHouse has. Raises sqlite3.Error."""
        if new := set(stored) - self._known:
            self._db.ask_many("INSERT OR IGNORE INTO sites VALUES (?, 0)", ((site,) for site in new))
            self._known |= new

    def close(self) -> None:
        """Close the file."""
        self._db.close()
