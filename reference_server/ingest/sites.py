"""Assignment of events to sites."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from reference_server.domains import site_of
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

    The worker processes of a server share them in one SQLite file of the state folder.
    """

    def __init__(self, folder: Path, *, most: int) -> None:
        self.most = most
        self._known: set[str] = set()  # A subset of the file's, so bounded as well.
        self._db = StateFile(folder / "sites.sqlite", _TABLE, "synchronous = OFF")

    def admit(self, site: str, now: datetime) -> bool:
        """Return True if a site is known or could be added. Raises sqlite3.Error."""
        if site in self._known:
            return True
        self._db.ask(_ADMIT, {"site": site, "now": now.timestamp(), "most": self.most})
        admitted = bool(self._db.ask("SELECT 1 FROM sites WHERE site = ?", (site,)))
        if admitted:
            self._known.add(site)
        return admitted

    def close(self) -> None:
        """Close the file."""
        self._db.close()
