"""KPIs of a site: visitors, sessions, conversions and revenue of a range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reference_server.analytics.listings import revenues
from reference_server.analytics.results import GoalResult, Kpi, Revenue
from reference_server.analytics.rollup_query import Source
from reference_server.analytics.site_settings import Goal
from reference_server.storage.rollups import EVENTS, SESSIONS, TRAFFIC

EXACT_VISITORS = 1000
"""Visitors up to which a number of visitors is exact; above, it is within about one percent."""

# Size of the sample of sessions, which limits the error of a share to 0.1 %.
_SESSIONS = 200_000

_TRAFFIC = """
SELECT sum(pageviews), sum(customs), uniqCombinedMerge(14)(visitors) FROM {rollup_traffic}
"""
_CONVERSIONS = """
SELECT name, sum(count), uniqCombinedMerge(14)(visitors),
    groupArrayIf((currency, amount, count), currency != '') AS revenue, lower(hex(sipHash128(name)))
FROM (
    SELECT name, currency, sum(count) AS count, sum(amount) AS amount,
        uniqCombinedMergeState(14)(visitors) AS visitors
    FROM {rollup_events} WHERE name IN (SELECT name FROM asked) GROUP BY name, currency
)
GROUP BY name
"""
_COMPLETIONS = """
SELECT sum(count), uniqCombinedMerge(14)(visitors)
FROM {rollup_events} WHERE name IN (SELECT name FROM asked)
"""
_REVENUE = """
SELECT currency, sum(amount), sum(count) FROM {rollup_events} WHERE currency != '' GROUP BY currency
"""
SESSION_COLUMNS = """count(), sum(pageviews), countIf(pageviews > 0),
    countIf(pageviews = 1 AND customs = 0), sum(dateDiff('millisecond', first, last)) / 1000"""
"""Columns of sessions that ``of_sessions`` reads."""
SESSION_ROWS = """(
    SELECT min(first) AS first, max(last) AS last, sum(pageviews) AS pageviews, sum(customs) AS customs
    FROM {rollup_sessions} WHERE hash <= {most:UInt64} GROUP BY session
)"""
"""The sessions of a sample, one a row."""
_SESSION_FIGURES = f"SELECT {SESSION_COLUMNS} FROM {SESSION_ROWS}"  # noqa: S608 - our own text
_CONVERTERS = "converters"


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
    found = {name: columns for name, *columns in rows}
    return tuple(
        GoalResult(
            id=goal.id,
            event_name=goal.event_name,
            conversions=count,
            visitors=who,
            rate=percent(count, visitors),
            revenue=revenues(revenue),
            event_id=event_id,
        )
        for goal in wanted
        for count, who, revenue, event_id in [found.get(goal.event_name, (0, 0, (), ""))]
    )


def revenue(source: Source) -> tuple[Revenue, ...]:
    """Return the revenue of a range by currency (REV-9)."""
    return revenues(source.ask(_REVENUE, EVENTS))


def figures(source: Source, wanted: tuple[Goal, ...]) -> dict[str, float]:
    """Return the KPIs of a range in the order of the cards, conversions only if there are goals.

    With goals, the dictionary also has the number of visitors who completed one ("converters").
    """
    all_ = totals(source)
    sessions = source.ask(_SESSION_FIGURES, SESSIONS, most=sample(all_))[0]
    found: dict[str, float] = {
        "visitors": all_.visitors,
        "pageviews": all_.pageviews,
        "views_per_visit": of_sessions("views_per_visit", sessions),
        "bounce_rate": of_sessions("bounce_rate", sessions),
        "events": all_.customs,
    }
    if wanted:
        names = [goal.event_name for goal in wanted]
        conversions, converters = source.ask(_COMPLETIONS, EVENTS, names=names)[0]
        found |= {"conversions": conversions, "conversion_rate": percent(conversions, all_.visitors)}
        found[_CONVERTERS] = converters
    return found | {"duration": of_sessions("duration", sessions)}


def filtered_figures(source: Source, everybody: Source) -> dict[str, float]:
    """Return the KPIs of selected events; their rate is relative to the visitors of the whole site."""
    found, all_ = totals(source), totals(everybody)
    return {
        "visitors": found.visitors,
        "events": found.customs,
        "conversion_rate": percent(found.customs, all_.visitors),
    }


def sample(all_: Totals) -> int:
    """Return the largest hash of the sessions to read."""
    events = all_.pageviews + all_.customs
    return 2**64 - 1 if events <= _SESSIONS else 2**64 * _SESSIONS // events


def of_sessions(metric: str, sessions: Sequence[Any]) -> float:
    """Return a metric of sessions from the columns of SESSION_COLUMNS."""
    number, viewed, viewing, bounced, seconds = sessions
    match metric:
        case "views_per_visit":
            return _share(viewed, viewing)
        case "bounce_rate":
            return percent(bounced, viewing)
    return _share(seconds, number)


def kpis(now: dict[str, float], before: dict[str, float] | None) -> tuple[Kpi, ...]:
    """Combine the KPIs of a range with those of the range before."""
    return tuple(
        Kpi(
            key=key,
            value=value,
            previous=previous,
            change=_change(value, previous),
            approximate=key in ("visitors", "conversion_rate") and now["visitors"] > EXACT_VISITORS,
            converters=int(now[_CONVERTERS]) if key == "conversion_rate" and _CONVERTERS in now else None,
        )
        for key, value in now.items()
        if key != _CONVERTERS
        for previous in [before[key] if before else None]
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 2) if whole else 0.0


def percent(part: float, whole: float) -> float:
    """Return a part in percent of the whole, or 0 if that is 0."""
    return round(100 * part / whole, 2) if whole else 0.0


def _change(value: float, previous: float | None) -> float | None:
    return round(100 * (value - previous) / previous, 2) if previous else None
