"""All read access to the data of sites."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import TypeVar, cast

from reference_server.analytics import advice as advices
from reference_server.analytics import exports, kpis, listings, running
from reference_server.analytics import series as charts
from reference_server.analytics.filters import EVERYTHING, Filter
from reference_server.analytics.ranges import DEFAULT_PERIOD, Range, month, zone
from reference_server.analytics.results import (
    Advice,
    EventPage,
    GoalResult,
    Kpi,
    PropertyPage,
    Revenue,
    Series,
    Usage,
    ValueCount,
    ValuePage,
)
from reference_server.analytics.rollup_query import Source, ask
from reference_server.analytics.site_settings import Settings
from reference_server.config import quota_of
from reference_server.storage.client import Clients
from reference_server.storage.rollups import EVENTS, TRAFFIC

Result = TypeVar("Result")

_PAGE = 100
_TRIES = 3
_STORED = """
SELECT sum(pageviews), sum(customs), (SELECT sum(count) FROM {rollup_events}) FROM {rollup_traffic}
"""
_FIRST = "SELECT min(bucket) FROM rollup_traffic WHERE site = {site:String} AND step = 900 HAVING count()"
_SITES = """
SELECT DISTINCT site FROM rollup_traffic
WHERE step = 86400 AND ({search:String} = '' OR position(site, {search:String}) > 0)
ORDER BY site LIMIT {limit:UInt32} OFFSET {offset:UInt32}
"""


class Reader:
    """Answers queries about sites; each method may raise clickhouse-connect's errors.

    ``quota`` maps a domain to its monthly quota; the key "" applies to all other domains.
    """

    def __init__(self, clients: Clients, settings: Settings, quota: Mapping[str, int] | None = None) -> None:
        self._clients = clients
        self._settings = settings
        self._quota = quota or {}

    def range(
        self, site: str, period: str = DEFAULT_PERIOD, *, first: date | None = None, last: date | None = None
    ) -> Range:
        """Return a range as of now, in days of the site; ``all`` begins with the first event.

        Raises ValueError that names the problem.
        """
        timezone, now = self._settings.timezone(site), datetime.now(UTC)
        if period == "all":
            first = self._first_day(site, timezone)
        return Range.of(period, timezone=timezone, now=now, first=first, last=last)

    def sites(self, search: str = "", *, limit: int = _PAGE, offset: int = 0) -> tuple[str, ...]:
        """Return the sites that have events and contain ``search``, sorted by name."""
        values = {"search": search.lower(), "limit": limit, "offset": offset}
        return tuple(site for (site,) in ask(self._clients, _SITES, values))

    def events(
        self,
        site: str,
        range_: Range,
        *,
        search: str = "",
        limit: int = _PAGE,
        offset: int = 0,
        visitors: bool = True,
        shown: int | None = None,
        by: Filter = EVERYTHING,
    ) -> EventPage:
        """Return the event names of a range with their counts, the most common first (DASH-1).

        A page ends early at 1 MB of names; each name has at most ``shown`` characters, None for all.
        """
        return listings.events(
            self._source(site, range_, by),
            search=search,
            limit=limit,
            offset=offset,
            visitors=visitors,
            shown=shown,
        )

    def consistent(self, site: str, range_: Range, read: Callable[[], Result]) -> Result:
        """Return the result of ``read``, which asks for several figures of one moment.

        It is called again, up to three times in all, if events were stored meanwhile: a batch is stored
        in one table after the other, so that figures could disagree.
        """
        before = self._stored(site, range_)
        for _ in range(_TRIES):
            found = read()
            after = self._stored(site, range_)
            if before == after and before[1] == before[2]:
                break
            before = after
        return found

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """Limit the time of all queries of a with block together. It raises TooSlow."""
        return running.limited(self._clients, seconds)

    def progress(self, name: str) -> running.QueryProgress:
        """Return the progress of the queries of a request, given the name that it has for them."""
        return running.progress(self._clients, name)

    def _stored(self, site: str, range_: Range) -> tuple[int, int, int]:
        """Return the stored pageviews, custom events, and custom events by name of a range."""
        return cast(tuple[int, int, int], self._source(site, range_).ask(_STORED, TRAFFIC, EVENTS)[0])

    def event_name(self, site: str, range_: Range, id_: str) -> str | None:
        """Return the whole name of the event with this ``EventCount.id``, or None."""
        return listings.identified(self._source(site, range_), id_)

    def properties(self, site: str, range_: Range, event: str, by: Filter = EVERYTHING) -> PropertyPage:
        """Return the properties of an event (DASH-2)."""
        return listings.properties(self._source(site, range_, by), event)

    def values(
        self,
        site: str,
        range_: Range,
        event: str,
        property_: str,
        *,
        search: str = "",
        limit: int = _PAGE,
        offset: int = 0,
        details: bool = False,
        by: Filter = EVERYTHING,
    ) -> ValuePage:
        """Return the values of a property, the most common first (DASH-2)."""
        return listings.values(
            self._source(site, range_, by),
            event,
            property_,
            search=search,
            limit=limit,
            offset=offset,
            details=details,
        )

    def top_values(
        self, site: str, range_: Range, event: str, keys: Iterable[str], limit: int = 10
    ) -> dict[str, tuple[ValueCount, ...]]:
        """Return the most common values of several properties of an event."""
        return listings.top_values(self._source(site, range_), event, keys, limit)

    def goals(self, site: str, range_: Range, by: Filter = EVERYTHING) -> tuple[GoalResult, ...]:
        """Return the goals of a site with their conversions (GOAL-3), or only the one of a filter's event."""
        goals = self._settings.goals(site)
        if by.event is not None:
            goals = tuple(goal for goal in goals if goal.event_name == by.event)
        if not goals:
            return ()
        visitors = kpis.totals(self._source(site, range_)).visitors
        return kpis.goals(self._source(site, range_, by), goals, visitors)

    def trends(
        self, site: str, range_: Range, names: Iterable[str], by: Filter = EVERYTHING
    ) -> dict[str, tuple[int, ...]]:
        """Return the number of events of some names per step of a range."""
        return charts.trends(self._source(site, range_, by), range_, names)

    def kpis(self, site: str, range_: Range, by: Filter = EVERYTHING) -> tuple[Kpi, ...]:
        """Return the KPIs at the top of the dashboard (GOAL-4)."""
        previous = range_.previous()
        now, before = (self._figures(site, each, by) if each else None for each in (range_, previous))
        return kpis.kpis(now or {}, before)

    def _figures(self, site: str, range_: Range, by: Filter) -> dict[str, float]:
        if by:
            return kpis.filtered_figures(self._source(site, range_, by), self._source(site, range_))
        return kpis.figures(self._source(site, range_), self._settings.goals(site))

    def revenue(self, site: str, range_: Range, by: Filter = EVERYTHING) -> tuple[Revenue, ...]:
        """Return the revenue of a range by currency (REV-9)."""
        return kpis.revenue(self._source(site, range_, by))

    def series(self, site: str, range_: Range, metric: str, by: Filter = EVERYTHING) -> Series:
        """Return a metric over time. Raises ValueError for an unknown metric."""
        if range_.period == "all":  # The range may have been made without knowing the first day.
            first = max(range_.first, self._first_day(site, range_.timezone))
            whole = Range.of("all", timezone=range_.timezone, now=datetime.now(UTC), first=first)
            range_ = whole.by(range_.step) if range_.step in whole.intervals else whole
        names = [goal.event_name for goal in self._settings.goals(site)]
        everybody = self._source(site, range_) if by else None
        return charts.series(self._source(site, range_, by), range_, metric, names, everybody)

    def export(
        self,
        site: str,
        range_: Range,
        list_: str,
        by: Filter = EVERYTHING,
        *,
        event: str | None = None,
        property_: str | None = None,
        metric: str = "visitors",
    ) -> Iterable[bytes]:
        """Return a list or the raw events as CSV; its ``close``, if there is one, ends the query.

        Raises ValueError for an unknown list or metric.
        """
        source = self._source(site, range_, by)
        match list_:
            case "events":
                return exports.events(source)
            case "properties":
                return exports.properties(source, event, property_)
            case "values":
                return exports.values(source, event, property_)
            case "raw":
                return exports.raw(source)
            case "goals":
                return exports.goals(self.goals(site, range_, by))
            case "series":
                return exports.series(self.series(site, range_, metric, by))
        raise ValueError(f"there is no list {list_[:100]!r}")

    def usage(self, site: str) -> Usage:
        """Return the events of the current month (UTC) that count against the quota (QUOTA-1)."""
        range_ = month("UTC", datetime.now(UTC))
        found = kpis.totals(self._source(site, range_))
        return Usage(
            month=f"{range_.first:%Y-%m}",
            pageviews=found.pageviews,
            custom_events=found.customs,
            quota=quota_of(self._quota, site),
        )

    def names(self, site: str, search: str = "") -> tuple[str, ...]:
        """Return names seen at any time, the most common first."""
        range_ = Range.of("all", timezone="UTC", now=datetime.now(UTC))
        return listings.names(self._source(site, range_), search)

    def advice(self, site: str, range_: Range, only: Iterable[str] = ()) -> tuple[Advice, ...]:
        """Return advice on the names and properties of a range, or only on some names (LINT-1 to LINT-3)."""
        return advices.advice(self._source(site, range_), only)

    def _source(self, site: str, range_: Range, by: Filter = EVERYTHING) -> Source:
        return Source(self._clients, site, range_, by)

    def _first_day(self, site: str, timezone: str) -> date:
        """Return the day of the first event, or today if the site has none."""
        rows = ask(self._clients, _FIRST, {"site": site})
        first = rows[0][0].replace(tzinfo=UTC) if rows else datetime.now(UTC)
        return first.astimezone(zone(timezone)).date()
