"""Ranges of time, in days of the site's time zone."""

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
# Between these days every time zone offset is a multiple of 15 minutes and fits ClickHouse's DateTime.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)
# Maximum lengths of ranges with hourly and daily steps: a chart of its width can show no more.
_MOST_HOURS, _MOST_DAYS = timedelta(days=2, hours=1), timedelta(days=100)


@cache
def timezones() -> frozenset[str]:
    """Return the names of all known time zones."""
    return frozenset(zoneinfo.available_timezones()) | {"UTC"}


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises ValueError if it is unknown."""
    if name not in timezones():
        raise ValueError(f"unknown time zone {name[:100]!r}: use a name such as Europe/Berlin")
    return ZoneInfo(name)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A half-open range in UTC: ``start`` is included, ``end`` is not.

    ``now`` is the moment of the request, or None if the range does not depend on it.
    """

    start: datetime
    end: datetime
    period: str
    timezone: str = "UTC"
    now: datetime | None = None

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
        """Return the range of a period as of ``now``.

        Ranges consist of whole days and include the current one. ``first`` and ``last`` are the days
        of a custom range, both included; ``first`` is also where ``all`` begins. Raises ValueError
        that names the problem.
        """
        local = zone(timezone)
        now = now.astimezone(UTC)
        today = now.astimezone(local).date()
        match period:
            case "realtime":
                return cls(start=now - _REALTIME, end=now, period=period, timezone=timezone, now=now)
            case "24h":
                end = _rounded_up(now)
                start = end - timedelta(days=1)
                return cls(start=start, end=end, period=period, timezone=timezone, now=now)
            case "yesterday":
                first = last = today - timedelta(days=1)
            case "all":
                first, last = min(first or _EARLIEST, today), today
            case "custom":
                first, last = _checked(first, last)
            case _ if period in _DAYS:
                first, last = today - timedelta(days=_DAYS[period] - 1), today
            case _:
                raise ValueError(f"period must be one of {', '.join(PERIODS)} (got {period[:100]!r})")
        end = _midnight(last + timedelta(days=1), local)
        return cls(start=_midnight(first, local), end=end, period=period, timezone=timezone, now=now)

    @property
    def raw(self) -> bool:
        """True if the range is so recent and short that it is read from events instead of rollups."""
        return self.period == "realtime"

    @property
    def first(self) -> date:
        """First day of the range."""
        return self.start.astimezone(zone(self.timezone)).date()

    @property
    def last(self) -> date:
        """Last day of the range."""
        return (self.end - timedelta(microseconds=1)).astimezone(zone(self.timezone)).date()

    @property
    def running(self) -> bool:
        """True if the range has begun and has not ended yet."""
        return self.now is not None and self.start <= self.now < self.end

    def previous(self) -> "Range | None":
        """Return the range before this one to compare it with, or None if it would be out of bounds.

        It has as many days. If this range is still running, it ends as many days before now, at the same
        time of day: eight hours of today are compared with the first eight hours of yesterday.
        """
        days = self.last - self.first + timedelta(days=1)
        first = self.first - days
        if self.period == "all" or first < _EARLIEST:
            return None
        local = zone(self.timezone)
        fixed = self.period in ("realtime", "24h")
        start = self.start - (self.end - self.start) if fixed else _midnight(first, local)
        end = self.start
        if self.running and self.now:
            back = self.now.astimezone(local).replace(tzinfo=None) - days
            same = self.now - (self.end - self.start) if fixed else back.replace(tzinfo=local)
            end = min(max(same.astimezone(UTC), start), end)
        period = "realtime" if self.raw else "custom"
        return Range(start=start, end=end, period=period, timezone=self.timezone)

    @property
    def interval(self) -> str:
        """Step of a series over this range: minute, hour, day or month."""
        length = self.end - self.start
        if self.raw:
            return "minute"
        if length <= _MOST_HOURS:
            return "hour"
        return "day" if length <= _MOST_DAYS else "month"

    def points(self) -> tuple[datetime, ...]:
        """Return the start of each step of a series, in local days; the first is the start of the range."""
        if self.interval in ("minute", "hour"):
            step = timedelta(minutes=1) if self.interval == "minute" else timedelta(hours=1)
            start = self.start.replace(second=0, microsecond=0) if self.raw else self.start
            return tuple(start + n * step for n in range(-((start - self.end) // step)))
        local = zone(self.timezone)
        days = (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))
        begins = [day for day in days if self.interval == "day" or day.day == 1 or day == self.first]
        return tuple(_midnight(day, local) for day in begins)


def month(timezone: str, now: datetime) -> Range:
    """Return the current month of a time zone. Raises ValueError if the zone is unknown."""
    first = now.astimezone(zone(timezone)).date().replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return Range.of("custom", timezone=timezone, now=now, first=first, last=last)


def _midnight(day: date, local: ZoneInfo) -> datetime:
    """Return the start of a day: midnight, or the next hour if the clocks skip midnight."""
    return datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC)


def _rounded_up(moment: datetime) -> datetime:
    """Return the end of the quarter of an hour that contains the moment."""
    over = (moment - datetime(2000, 1, 1, tzinfo=UTC)) % _QUARTER
    return moment - over + _QUARTER


def _checked(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None:
        raise ValueError("a custom range needs both from and to")
    if first > last:
        raise ValueError(f"from ({first}) must not be later than to ({last})")
    for day in (first, last):
        if not _EARLIEST <= day <= _LATEST:
            raise ValueError(f"{day} is out of bounds: use days from {_EARLIEST} to {_LATEST}")
    return first, last
