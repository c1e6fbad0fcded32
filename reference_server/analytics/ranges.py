"""Ranges of time, in days of the site's time zone."""

import zoneinfo
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

DEFAULT_PERIOD = "30d"
PERIODS = (
    *("realtime", "24h", "today", "yesterday", "7d", "14d", "30d"),
    *("month", "last_month", "year", "last_year", "12m", "all", "custom"),
)
INTERVALS = ("hour", "day", "week", "month")
"""Steps of a series that can be chosen; that of ``realtime`` is a minute."""

_DAYS = {"today": 1, "7d": 7, "14d": 14, "30d": 30}
# Months of a period of whole months, by which it is also compared with an earlier one.
_MONTHS = {"month": 1, "last_month": 1, "year": 12, "last_year": 12, "12m": 12}
_REALTIME = timedelta(minutes=30)
_QUARTER = timedelta(minutes=15)
# Between these days every time zone offset is a multiple of 15 minutes and fits ClickHouse's DateTime.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)
# Maximum lengths of ranges with hourly and daily steps, unless another step is asked for.
_MOST_HOURS, _MOST_DAYS = timedelta(days=2, hours=1), timedelta(days=100)
# Steps of a series: a chart of its width can show no more.
_MOST_STEPS = 400


# Files of the system that are no time zones: browsers do not know them.
_NO_ZONES = {"Factory", "localtime"}


@cache
def timezones() -> frozenset[str]:
    """Return the names of all known time zones."""
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES | {"UTC"}


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises ValueError if it is unknown."""
    if name not in timezones():
        raise ValueError(f"unknown time zone {name[:100]!r}: use a name such as Europe/Berlin")
    return ZoneInfo(name)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A half-open range in UTC: ``start`` is included, ``end`` is not.

    ``now`` is the moment of the request, or None if the range does not depend on it. ``step`` is the chosen
    interval of a series, or "" for the usual one.
    """

    start: datetime
    end: datetime
    period: str
    timezone: str = "UTC"
    now: datetime | None = None
    step: str = ""

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

        Ranges consist of whole days and include the current one; months and years are those of the calendar.
        ``first`` and ``last`` are the days of a custom range, both included; ``first`` is also where ``all``
        begins. Raises ValueError that names the problem.
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
            case _ if period in _MONTHS:
                first, last = _months(period, today)
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

    def previous(self, *, whole: bool = False) -> "Range | None":
        """Return the range before this one to compare it with, or None if it would be out of bounds.

        It has as many days, or as many months if this one is of whole months. If this range is still running,
        it ends at the same time of the corresponding day: eight hours of today are compared with the first
        eight hours of yesterday; ``whole`` returns all of it.
        """
        if self.period == "all":
            return None
        local = zone(self.timezone)
        fixed = self.period in ("realtime", "24h")
        try:
            first = self._back(self.first)
        except ValueError:  # Before the first year of the calendar.
            return None
        if first < _EARLIEST:
            return None
        start = self.start - (self.end - self.start) if fixed else _midnight(first, local)
        end = self.start
        if self.period in _MONTHS:
            end = _midnight(self._back(self.last + timedelta(days=1)), local)
        if self.running and self.now and not whole:
            here = self.now.astimezone(local)
            there = datetime.combine(
                self._back(here.date()), here.time().replace(fold=0), tzinfo=local
            ).astimezone(UTC)
            same = self.now - (self.end - self.start) if fixed else there
            end = min(max(same, start), end)
        period = "realtime" if self.raw else "custom"
        return Range(start=start, end=end, period=period, timezone=self.timezone, step=self.interval)

    def _back(self, day: date) -> date:
        """Return the day of the previous range that corresponds to a day of this one."""
        if self.period not in _MONTHS:
            return day - (self.last - self.first + timedelta(days=1))
        return _months_before(day, _MONTHS[self.period])

    @property
    def interval(self) -> str:
        """Step of a series over this range: minute, hour, day, week or month."""
        length = self.end - self.start
        if self.step or self.raw:
            return self.step or "minute"
        if length <= _MOST_HOURS:
            return "hour"
        return "day" if length <= _MOST_DAYS else "month"

    @property
    def intervals(self) -> tuple[str, ...]:
        """Intervals that a series over this range can have: two steps or more, unless they are hours."""
        if self.raw:
            return ("minute",)
        days = (self.last - self.first).days + 1
        hours = (self.end - self.start) <= timedelta(hours=_MOST_STEPS)
        if self.period == "24h":
            return ("hour",)
        fits = {
            "hour": hours,
            "day": 1 < days <= _MOST_STEPS,
            "week": 7 < days <= 7 * _MOST_STEPS,
            "month": (self.last.year, self.last.month) != (self.first.year, self.first.month),
        }
        return tuple(name for name in INTERVALS if fits[name])

    def by(self, interval: str) -> "Range":
        """Return this range with another interval. Raises ValueError if the range cannot have it."""
        if interval not in self.intervals:
            raise ValueError(
                f"interval must be {' or '.join(self.intervals)} in this range (got {interval[:100]!r})"
            )
        return replace(self, step=interval)

    def points(self) -> tuple[datetime, ...]:
        """Return the start of each step of a series, in local days; the first is the start of the range.

        Weeks begin on Mondays.
        """
        if self.interval in ("minute", "hour"):
            step = timedelta(minutes=1) if self.interval == "minute" else timedelta(hours=1)
            start = self.start.replace(second=0, microsecond=0) if self.raw else self.start
            return tuple(start + n * step for n in range(-((start - self.end) // step)))
        local = zone(self.timezone)
        days = (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))
        return tuple(_midnight(day, local) for day in days if day == self.first or self._begins(day))

    def _begins(self, day: date) -> bool:
        """Return True if a step begins with this day."""
        if self.interval == "week":
            return day.weekday() == 0
        return self.interval == "day" or day.day == 1


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


def _months(period: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a period of whole months; ``12m`` ends today."""
    first = today.replace(day=1)
    if period in ("year", "last_year"):
        first = today.replace(month=1, day=1)
    if period.startswith("last"):
        first = _months_before(first, _MONTHS[period])
    if period == "12m":
        return _months_before(first, 11), today
    return first, _months_before(first, -_MONTHS[period]) - timedelta(days=1)


def _months_before(day: date, months: int) -> date:
    """Return the same day of an earlier month, or its last day if it is shorter."""
    year, number = divmod(12 * day.year + day.month - 1 - months, 12)
    return date(year, number + 1, min(day.day, monthrange(year, number + 1)[1]))
