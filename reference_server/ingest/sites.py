"""Which site an event belongs to."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from reference_server.domains import host_of
from reference_server.state_file import StateFile

_TABLE = "CREATE TABLE IF NOT EXISTS sites (site TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID"
_ADMIT = """
INSERT OR IGNORE INTO sites SELECT :site, :now WHERE (SELECT count(*) FROM sites) < :most
"""


def site_of(address: str) -> str:
    """Return the domain that a site is registered by: canonical, without scheme, ``www.``, port and path."""
    return host_of(address).removeprefix("www.")


class Sites:
    """The registered sites; if there are none, every site is welcome."""

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = frozenset(filter(None, map(site_of, domains)))

    @property
    def registered(self) -> bool:
        """Return whether sites are registered, so that others are not welcome."""
        return bool(self._domains)

    def find(self, addresses: Iterable[str]) -> str | None:
        """Return the site of the first address that names a host, or None unless it is registered."""
        site = next(filter(None, map(site_of, addresses)), None)
        return site if not self._domains or site in self._domains else None


class FoundSites:
    """The sites that nobody registered, up to a number: a sender makes up domains at no cost.

    The worker processes of a server share them: one SQLite file in its state folder.
    """

    def __init__(self, folder: Path, *, most: int) -> None:
        self.most = most
        self._known: set[str] = set()  # Never more than there are in the file.
        self._db = StateFile(folder / "sites.sqlite", _TABLE, "synchronous = OFF")

    def admit(self, site: str, now: datetime) -> bool:
        """Return whether a site is known, or there was room to add it. Raises sqlite3.Error."""
        if site in self._known:
            return True
        self._db.ask(_ADMIT, {"site": site, "now": now.timestamp(), "most": self.most})
        admitted = bool(self._db.ask("SELECT 1 FROM sites WHERE site = ?", (site,)))
        if admitted:
            self._known.add(site)
        return admitted

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
