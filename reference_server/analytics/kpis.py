"""KPIs of a site: visitors, sessions and conversions, as totals and over time."""

from collections.abc import Iterable
from dataclasses import dataclass

from reference_server.analytics.ranges import Range
from reference_server.analytics.results import GoalResult, Kpi, Point, Series
from reference_server.analytics.rollup_query import Source, common_step
from reference_server.analytics.site_settings import Goal
from reference_server.storage.rollups import EVENTS, SESSIONS, TRAFFIC

METRICS = ("visitors", "pageviews", "events", "conversions")

EXACT_VISITORS = 1000
"""Visitors up to which a number of visitors is exact; above, it is within about one percent."""

# Size of the sample of sessions, which limits the error of a share to 0.1 %.
_SESSIONS = 200_000

_TRAFFIC = """
SELECT sum(pageviews), sum(customs), uniqCombinedMerge(14)(visitors) FROM {rollup_traffic}
"""
_CONVERSIONS = """
SELECT name, sum(count), uniqCombinedMerge(14)(visitors) FROM {rollup_events}
WHERE name IN (SELECT name FROM asked) GROUP BY name
"""
_COMPLETIONS = """
SELECT sum(count), uniqCombinedMerge(14)(visitors)
FROM {rollup_events} WHERE name IN (SELECT name FROM asked)
"""
_SESSION_FIGURES = """
SELECT count(), sum(pageviews), countIf(pageviews > 0), countIf(pageviews = 1 AND customs = 0),
    sum(dateDiff('millisecond', first, last)) / 1000
FROM (
    SELECT min(first) AS first, max(last) AS last, sum(pageviews) AS pageviews, sum(customs) AS customs
    FROM {rollup_sessions} WHERE hash <= {most:UInt64} GROUP BY session
)
"""
_CONVERTERS = "converters"
# A bucket belongs to the last step that begins at or before it.
_SERIES = """
SELECT arrayCount(begin -> begin <= toUnixTimestamp(bucket), {begins:Array(UInt32)}) AS step_number, {value}
FROM {rows} GROUP BY step_number
"""
_VALUES = {
    "visitors": ("uniqCombinedMerge(14)(visitors)", "{rollup_traffic}"),
    "pageviews": ("sum(pageviews)", "{rollup_traffic}"),
    "events": ("sum(customs)", "{rollup_traffic}"),
    "conversions": ("sum(count)", "{rollup_events} WHERE name IN (SELECT name FROM asked)"),
}


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Totals of a range."""

    pageviews: int
    customs: int
    visitors: int


def totals(source: Source) -> Totals:
    """Return the totals of a range."""
    pageviews, customs, visitors = source.ask(_TRAFFIC, TRAFFIC)[0]
    return Totals(pageviews=pageviews, customs=customs, visitors=visitors)


def goals(source: Source, wanted: tuple[Goal, ...], visitors: int) -> tuple[GoalResult, ...]:
    """Return the conversions of goals (GOAL-2, GOAL-3)."""
    names = [goal.event_name for goal in wanted]
    rows = source.ask(_CONVERSIONS, EVENTS, names=names) if names else []
    found = {name: (count, who) for name, count, who in rows}
    return tuple(
        GoalResult(
            id=goal.id,
            event_name=goal.event_name,
            conversions=count,
            visitors=who,
            rate=_percent(count, visitors),
        )
        for goal in wanted
        for count, who in [found.get(goal.event_name, (0, 0))]
    )


def figures(source: Source, wanted: tuple[Goal, ...]) -> dict[str, float]:
    """Return the KPIs of a range in the order of the cards, conversions only if there are goals.

    With goals, the dictionary also has the number of visitors who completed one ("converters").
    """
    all_ = totals(source)
    events = all_.pageviews + all_.customs
    most = 2**64 - 1 if events <= _SESSIONS else 2**64 * _SESSIONS // events
    sessions, viewed, viewing, bounced, seconds = source.ask(_SESSION_FIGURES, SESSIONS, most=most)[0]
    found: dict[str, float] = {
        "visitors": all_.visitors,
        "pageviews": all_.pageviews,
        "views_per_visit": _share(viewed, viewing),
        "bounce_rate": _percent(bounced, viewing),
    }
    if wanted:
        names = [goal.event_name for goal in wanted]
        conversions, converters = source.ask(_COMPLETIONS, EVENTS, names=names)[0]
        found |= {"conversions": conversions, "conversion_rate": _percent(conversions, all_.visitors)}
        found[_CONVERTERS] = converters
    return found | {"duration": _share(seconds, sessions)}


def kpis(now: dict[str, float], before: dict[str, float] | None) -> tuple[Kpi, ...]:
    """Combine the KPIs of a range with those of the range before."""
    return tuple(
        Kpi(
            key=key,
            value=value,
            previous=previous,
            change=_change(value, previous),
            approximate=key in ("visitors", "conversion_rate") and now["visitors"] > EXACT_VISITORS,
            converters=int(now[_CONVERTERS]) if key == "conversion_rate" else None,
        )
        for key, value in now.items()
        if key != _CONVERTERS
        for previous in [before[key] if before else None]
    )


def series(source: Source, range_: Range, metric: str, names: Iterable[str]) -> Series:
    """Return the values of a metric per step of a range. Raises ValueError for an unknown metric."""
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)} (got {metric[:100]!r})")
    begins = range_.points()
    value, rows = _VALUES[metric]
    found = source.ask(
        _SERIES.replace("{value}", value).replace("{rows}", rows),
        *(EVENTS, TRAFFIC),
        step=common_step((*begins, range_.end)),
        begins=[int(begin.timestamp()) for begin in begins],
        names=names if metric == "conversions" else None,
    )
    values: dict[int, int] = dict(found)
    points = (Point(time=begin, value=values.get(number, 0)) for number, begin in enumerate(begins, 1))
    return Series(metric=metric, interval=range_.interval, points=tuple(points))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 2) if whole else 0.0


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _change(value: float, previous: float | None) -> float | None:
    return round(100 * (value - previous) / previous, 2) if previous else None
