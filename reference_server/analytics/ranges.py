"""Ranges of time: what a dashboard looks at, in the days of the site's time zone."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

DEFAULT_PERIOD = "30d"
PERIODS = ("realtime", "24h", "today", "yesterday", "7d", "14d", "30d", "all", "custom")

_DAYS = {"today": 1, "7d": 7, "14d": 14, "30d": 30}
_REALTIME = timedelta(minutes=30)
_QUARTER = timedelta(minutes=15)
# Between these every offset of a time zone is a multiple of 15 minutes, and ClickHouse's DateTime suffices.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)
# The steps of a series: as fine as a chart of this width can show.
_MOST_HOURS, _MOST_DAYS = timedelta(days=2, hours=1), timedelta(days=100)


@cache
def timezones() -> frozenset[str]:
    """Return the names of the time zones that there are."""
    return frozenset(zoneinfo.available_timezones()) | {"UTC"}


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises ValueError for one that there is not."""
    if name not in timezones():
        raise ValueError(f"{name[:100]!r} is no time zone: give a name such as Europe/Berlin")
    return ZoneInfo(name)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A half-open range in UTC: ``start`` belongs to it, ``end`` does not."""

    start: datetime
    end: datetime
    period: str
    timezone: str = "UTC"

    @classmethod
    def of(
        cls,
        period: str,
        *,
        timezone: str,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
    ) -> Self:
        """Return the range of a period as of ``now``. Raises ValueError naming what is wrong.

        Days are whole ones, the current one included. ``first`` and ``last`` are the days of a custom range,
        both of them in it; ``first`` is also where ``all`` begins.
        """
        local = zone(timezone)
        now = now.astimezone(UTC)
        today = now.astimezone(local).date()
        match period:
            case "realtime":
                return cls(start=now - _REALTIME, end=now, period=period, timezone=timezone)
            case "24h":
                end = _rounded_up(now)
                return cls(start=end - timedelta(days=1), end=end, period=period, timezone=timezone)
            case "yesterday":
                first = last = today - timedelta(days=1)
            case "all":
                first, last = min(first or _EARLIEST, today), today
            case "custom":
                first, last = _checked(first, last)
            case _ if period in _DAYS:
                first, last = today - timedelta(days=_DAYS[period] - 1), today
            case _:
                raise ValueError(f"{period[:100]!r} is no period: it is one of {', '.join(PERIODS)}")
        end = _midnight(last + timedelta(days=1), local)
        return cls(start=_midnight(first, local), end=end, period=period, timezone=timezone)

    @property
    def raw(self) -> bool:
        """Whether the range is too young, and too short, for rollups."""
        return self.period == "realtime"

    @property
    def first(self) -> date:
        """The day in which the range begins."""
        return self.start.astimezone(zone(self.timezone)).date()

    @property
    def last(self) -> date:
        """The day in which it ends."""
        return (self.end - timedelta(microseconds=1)).astimezone(zone(self.timezone)).date()

    def previous(self) -> "Range | None":
        """Return the range of as many days, or as long, right before this one, if there can be one."""
        first = self.first - (self.last - self.first + timedelta(days=1))
        if self.period == "all" or first < _EARLIEST:
            return None
        if self.period in ("realtime", "24h"):
            start = self.start - (self.end - self.start)
        else:
            start = _midnight(first, zone(self.timezone))
        period = "realtime" if self.raw else "custom"
        return Range(start=start, end=self.start, period=period, timezone=self.timezone)

    @property
    def interval(self) -> str:
        """The step of a series over this range: minute, hour, day or month."""
        length = self.end - self.start
        if self.raw:
            return "minute"
        if length <= _MOST_HOURS:
            return "hour"
        return "day" if length <= _MOST_DAYS else "month"

    def points(self) -> tuple[datetime, ...]:
        """Return when each step of a series begins, the first at the start; days are local ones."""
        if self.interval in ("minute", "hour"):
            step = timedelta(minutes=1) if self.interval == "minute" else timedelta(hours=1)
            start = self.start.replace(second=0, microsecond=0) if self.raw else self.start
            return tuple(start + n * step for n in range(-((start - self.end) // step)))
        local = zone(self.timezone)
        days = (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))
        begins = [day for day in days if self.interval == "day" or day.day == 1 or day == self.first]
        return tuple(_midnight(day, local) for day in begins)


def month(timezone: str, now: datetime) -> Range:
    """Return the current month of a time zone. Raises ValueError for a zone that there is not."""
    first = now.astimezone(zone(timezone)).date().replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return Range.of("custom", timezone=timezone, now=now, first=first, last=last)


def _midnight(day: date, local: ZoneInfo) -> datetime:
    """When a day begins. Where clocks leave midnight out, it begins with the hour after."""
    return datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC)


def _rounded_up(moment: datetime) -> datetime:
    """The end of the quarter of an hour that has the moment in it."""
    over = (moment - datetime(2000, 1, 1, tzinfo=UTC)) % _QUARTER
    return moment - over + _QUARTER


def _checked(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None:
        raise ValueError("a custom range needs both of its days, from and to")
    if first > last:
        raise ValueError(f"the range ends before it begins: from {first} to {last}")
    for day in (first, last):
        if not _EARLIEST <= day <= _LATEST:
            raise ValueError(f"{day} is out of bounds: days are from {_EARLIEST} to {_LATEST}")
    return first, last
