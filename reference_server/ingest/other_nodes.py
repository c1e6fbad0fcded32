"""Events and sites of other processes and nodes, as ClickHouse has them."""

import logging
import time
from collections import Counter
from datetime import UTC, datetime

from reference_server.ingest.sites import FoundSites
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.storage.client import Clients
from reference_server.storage.shared_tables import ERRORS

LOOK_SECONDS = 1.0
"""Seconds between two looks at ClickHouse: with the delay of storing, the bound on exceeding a quota."""

# Read buckets of a day: those of a month, and for the sites once all of them, then those since yesterday.
_MONTH = """
SELECT site, sum(pageviews) + sum(customs) FROM rollup_traffic
WHERE step = 86400 AND bucket >= {month:DateTime('UTC')} GROUP BY site
"""
_SITES = "SELECT DISTINCT site FROM rollup_traffic WHERE step = 86400"
_RECENT = f"{_SITES} AND bucket >= toStartOfDay(now('UTC')) - INTERVAL 1 DAY"
_LOG = logging.getLogger(__name__)


class OtherNodes:
    """Watches ClickHouse for the loader's thread, between two batches of this process.

    At these moments the events of others are exactly what ClickHouse has, less what this process has
    stored, so no event counts twice. ``usage_limits`` is None without quotas, ``found`` is None if sites are
    registered.
    """

    def __init__(self, clients: Clients, usage_limits: UsageLimits | None, found: FoundSites | None) -> None:
        self._clients = clients
        self._usage_limits = usage_limits
        self._found = found
        self._knows_sites = False
        self._month = ""
        self._stored: Counter[str] = Counter()
        self._looked = float("-inf")
        self._fails = False

    @property
    def watches(self) -> bool:
        """True if there is anything to look at."""
        return bool(self._usage_limits or self._found)

    def stored(self, lines: bytes) -> None:
        """Count rows of one month that this process has put into the rollup of traffic."""
        if not self._usage_limits:
            return
        _, _, time_and_rest = lines.partition(b'","')
        if self._begin(time_and_rest[:7].decode()):
            self._stored.update(line[2 : line.index(b'"', 2)].decode() for line in lines.split(b"\n"))

    def look(self) -> None:
        """Ask ClickHouse, if the last time was a second ago; keep the last known state if it fails."""
        if not self.watches or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        try:
            if self._usage_limits:
                self._look_at_month(self._usage_limits)
            if self._found:
                self._look_at_sites(self._found)
            self._fails = False
        except ERRORS as error:
            if not self._fails:
                _LOG.warning("events and sites of other nodes are as last known: %s", error)
            self._fails = True
        self._looked = time.monotonic()

    def _look_at_month(self, usage_limits: UsageLimits) -> None:
        month = f"{datetime.now(UTC):%Y-%m}"
        self._begin(month)
        rows = self._clients.run(lambda client: client.query(_MONTH, {"month": f"{month}-01"}).result_rows)
        usage_limits.others(month, {site: count - self._stored[site] for site, count in rows})

    def _look_at_sites(self, found: FoundSites) -> None:
        rows = self._clients.run(
            lambda client: client.query(_RECENT if self._knows_sites else _SITES).result_rows
        )
        found.learn(site for (site,) in rows)
        self._knows_sites = True

    def _begin(self, month: str) -> bool:
        """Begin to count a month that is new; return False for an earlier one."""
        if month > self._month:
            self._month = month
            self._stored = Counter()
        return month == self._month
