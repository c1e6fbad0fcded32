"""Formatting of numbers, amounts and times on the pages. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from zoneinfo import ZoneInfo

from reference_server.analytics.ranges import Range
from reference_server.analytics.results import Point, Series
from reference_server.text import plain

PERIODS = {
    "realtime": "Realtime",
    "24h": "Last 24 hours",
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "14d": "Last 14 days",
    "30d": "Last 30 days",
    "month": "This month",
    "last_month": "Last month",
    "year": "This year",
    "last_year": "Last year",
    "12m": "Last 12 months",
    "all": "All time",
    "custom": "Custom dates",
}
"""Labels of the periods of a range."""

KPIS = {
    "visitors": "Visitors",
    "pageviews": "Pageviews",
    "views_per_visit": "Views/Visit",
    "bounce_rate": "Bounce",
    "events": "Events",
    "conversions": "Conversions",
    "conversion_rate": "Conv. Rate",
    "duration": "Duration",
}
"""Labels of the KPIs."""

_NOTHING = "–"
_LESS_IS_BETTER = ("bounce_rate",)


def number(value: float) -> str:
    """Return a number for people: 12,345 or 1.8."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def percent(value: float) -> str:
    """Return a percentage: 12.3%. A value above zero is never shown as 0%."""
    return "<0.1%" if 0 < value < 0.05 else f"{value:,.1f}".removesuffix(".0") + "%"


def duration(seconds: float) -> str:
    """Return seconds as 2h 5m, 2m 14s or 14s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def kpi(key: str, value: float | None) -> str:
    """Return the value of a KPI in its own unit."""
    if value is None:
        return _NOTHING
    if key in ("bounce_rate", "conversion_rate"):
        return percent(value)
    if key == "views_per_visit":
        return f"{value:,.1f}"
    return duration(value) if key == "duration" else number(value)


def unit(key: str) -> str:
    """Return the unit of a KPI, for the axis of a chart: percent, seconds, ratio or count."""
    if key in ("bounce_rate", "conversion_rate"):
        return "percent"
    return {"duration": "seconds", "views_per_visit": "ratio"}.get(key, "count")


def trend(key: str, change: float | None) -> str:
    """Return if a change is ``good``, ``bad`` or ``even``."""
    if not change or abs(change) < 0.05:
        return "even"
    return "good" if (change > 0) != (key in _LESS_IS_BETTER) else "bad"


def amount(value: Decimal) -> str:
    """Return an amount of money without a currency and with all its digits: 1,234.50."""
    whole, _, fraction = plain(value).partition(".")
    whole = f"{Decimal(whole):,f}"
    return f"{whole}.{fraction:0<2}" if fraction else whole


def days(range_: Range) -> str:
    """Return the days of a range: 29 Oct 2026 – 27 Nov 2026, Europe/Berlin."""
    if range_.period == "realtime":
        return "The last 30 minutes"
    if range_.period == "all":
        return f"All time, {range_.timezone}"
    first, last = _local(range_.start, range_), _local(range_.end - timedelta(milliseconds=1), range_)
    start, end = (f"{day.day} {day:%b %Y}" for day in (first, last))
    return f"{start if start == end else f'{start} – {end}'}, {range_.timezone}"


def comparison(range_: Range) -> str:
    """Return the range that the KPIs are compared with, or "" without a comparison."""
    previous = range_.previous()
    if previous is None:
        return ""
    first, last = _local(previous.start, range_), _local(previous.end - timedelta(milliseconds=1), range_)
    end = f" until {_local(previous.end, range_):%H:%M}" if range_.running else ""
    if range_.raw:
        return f"compared with {first:%H:%M} – {_local(previous.end, range_):%H:%M}"
    start, day = (f"{each.day} {each:%b %Y}" for each in (first, last))
    return f"compared with {start if start == day else f'{start} – {day}'}{end}"


@dataclass(frozen=True, kw_only=True)
class ChartStep:
    """A step of a chart: a point and the one of the range before, or None where one of them ends."""

    point: Point | None
    before: Point | None


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps of a series that have begun, and each later one with its start.

    If ``running``, the last one that has begun has not ended.
    """

    begun: tuple[ChartStep, ...]
    later: tuple[ChartStep, ...]
    running: bool


def steps(series: Series, previous: Series | None, range_: Range) -> Steps:
    """Divide a series into what has happened by now and what has not, beside the previous series."""
    now = range_.now
    before = previous.points if previous else ()
    both = tuple(ChartStep(point=point, before=old) for point, old in zip_longest(series.points, before))
    both = both[: len(series.points)]
    number = sum(now is None or point.time <= now for point in series.points)
    running = bool(number) and (range_.raw or range_.running)
    return Steps(begun=both[:number], later=both[number:], running=running)


def spark(counts: Sequence[int]) -> str:
    """Return the points of a line through counts, from 0 to 100 across and from 24 (zero) to 0 upwards."""
    top, apart = max(counts, default=0) or 1, 100 / max(len(counts) - 1, 1)
    heights = [24 - 22 * count / top for count in counts]
    if len(counts) == 1:
        heights, apart = heights * 2, 100
    return " ".join(f"{at * apart:.1f},{height:.1f}" for at, height in enumerate(heights))


def moment(time: datetime, interval: str, range_: Range) -> str:
    """Return a point in time of a series, in the site's time zone."""
    local = _local(time, range_)
    return {
        "minute": f"{local:%H:%M}",
        "hour": f"{local.day} {local:%b, %H:%M}",
        "day": f"{local:%a} {local.day} {local:%b %Y}",
        "week": f"Week of {local.day} {local:%b %Y}",
    }.get(interval, f"{local:%b %Y}")


def _local(time: datetime, range_: Range) -> datetime:
    return time.astimezone(ZoneInfo(range_.timezone))
