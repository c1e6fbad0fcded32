"""Metrics of a site over time."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from reference_server.analytics.kpis import (
    SESSION_COLUMNS,
    SESSION_ROWS,
    of_sessions,
    percent,
    sample,
    totals,
)
from reference_server.analytics.ranges import Range
from reference_server.analytics.results import Point, Series
from reference_server.analytics.rollup_query import Source, common_step
from reference_server.storage.rollups import EVENTS, SESSIONS, TRAFFIC

METRICS = (
    *("visitors", "pageviews", "views_per_visit", "bounce_rate"),
    *("events", "conversions", "conversion_rate", "duration"),
)
FILTERED_METRICS = ("visitors", "events", "conversion_rate")
"""Metrics of custom events that a filter selects."""

# A bucket belongs to the last step that begins at or before it; a session to the step in which it began.
_SERIES = """
SELECT arrayCount(begin -> begin <= toUnixTimestamp({time}), {begins:Array(UInt32)}) AS step_number, {value}
FROM {rows} GROUP BY step_number
"""
_TRENDS = """
SELECT name, arrayCount(begin -> begin <= toUnixTimestamp(bucket), {begins:Array(UInt32)}) AS step_number,
    sum(count)
FROM {rollup_events} WHERE name IN (SELECT name FROM asked) GROUP BY name, step_number
"""
_VALUES = {
    "visitors": ("uniqCombinedMerge(14)(visitors)", "{rollup_traffic}"),
    "pageviews": ("sum(pageviews)", "{rollup_traffic}"),
    "events": ("sum(customs)", "{rollup_traffic}"),
    "conversions": ("sum(count)", "{rollup_events} WHERE name IN (SELECT name FROM asked)"),
}


def series(
    source: Source, range_: Range, metric: str, names: Iterable[str] = (), everybody: Source | None = None
) -> Series:
    """Return the values of a metric per step of a range. Raises ValueError for an unknown metric.

    ``names`` are those of conversions. If ``source`` is filtered, ``everybody`` is the one that is not, to
    whose visitors the rate is relative.
    """
    known = FILTERED_METRICS if everybody else METRICS
    if metric not in known:
        raise ValueError(f"metric must be one of {', '.join(known)} (got {metric[:100]!r})")
    begins = range_.points()
    steps = _Steps(begins, range_.end)
    if metric in _VALUES:
        values = steps.of(source, metric, names)
    elif metric == "conversion_rate":
        events = steps.of(source, "events" if everybody else "conversions", names)
        visitors = steps.of(everybody or source, "visitors")
        values = {number: percent(count, visitors.get(number, 0)) for number, count in events.items()}
    else:
        values = steps.of_sessions(source, metric)
    points = (Point(time=begin, value=values.get(number, 0)) for number, begin in enumerate(begins, 1))
    return Series(metric=metric, interval=range_.interval, points=tuple(points))


def trends(source: Source, range_: Range, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the number of events of some names per step of a range."""
    begins = range_.points()
    found: dict[str, list[int]] = {}
    for name, number, count in _Steps(begins, range_.end).ask(source, _TRENDS, names):
        found.setdefault(name, [0] * len(begins))[number - 1] = count
    return {name: tuple(counts) for name, counts in found.items()}


class _Steps:
    """The steps of a series, which are numbered from 1."""

    def __init__(self, begins: tuple[datetime, ...], end: datetime) -> None:
        self._step = common_step((*begins, end))
        self._begins = [int(begin.timestamp()) for begin in begins]

    def of(self, source: Source, metric: str, names: Iterable[str] = ()) -> dict[int, float]:
        """Return the values of one of _VALUES by the number of the step."""
        value, rows = _VALUES[metric]
        query = _SERIES.replace("{time}", "bucket").replace("{value}", value).replace("{rows}", rows)
        return dict(self.ask(source, query, names if metric == "conversions" else None))

    def of_sessions(self, source: Source, metric: str) -> dict[int, float]:
        """Return the values of a metric of sessions by the number of the step."""
        query = _SERIES.replace("{time}", "first").replace("{value}", SESSION_COLUMNS)
        rows = source.ask(
            query.replace("{rows}", SESSION_ROWS), SESSIONS, begins=self._begins, most=sample(totals(source))
        )
        return {number: of_sessions(metric, columns) for number, *columns in rows}

    def ask(self, source: Source, query: str, names: Iterable[str] | None) -> list[tuple[Any, ...]]:
        """Return the rows of a query on buckets that do not extend over two steps."""
        return source.ask(query, *(EVENTS, TRAFFIC), step=self._step, begins=self._begins, names=names)
