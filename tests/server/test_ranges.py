"""Ranges of time in days of any time zone."""

from datetime import UTC, date, datetime, timedelta

import pytest

from reference_server.analytics.ranges import PERIODS, Range, month, timezones, zone

NOW = datetime(2026, 11, 26, 12, 34, 56, 789000, tzinfo=UTC)


def bounds(period: str, timezone: str = "UTC", now: datetime = NOW, **days: date) -> tuple[str, str]:
    """Return both ends of a range, in minutes."""
    range_ = Range.of(period, timezone=timezone, now=now, **days)
    return f"{range_.start:%Y-%m-%d %H:%M}", f"{range_.end:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("period", "timezone", "expected"),
    [
        ("realtime", "Asia/Tokyo", ("2026-11-26 12:04", "2026-11-26 12:34")),
        ("24h", "Asia/Tokyo", ("2026-11-25 12:45", "2026-11-26 12:45")),
        ("today", "UTC", ("2026-11-26 00:00", "2026-11-27 00:00")),
        ("yesterday", "UTC", ("2026-11-25 00:00", "2026-11-26 00:00")),
        ("7d", "UTC", ("2026-11-20 00:00", "2026-11-27 00:00")),
        ("14d", "UTC", ("2026-11-13 00:00", "2026-11-27 00:00")),
        ("30d", "UTC", ("2026-10-28 00:00", "2026-11-27 00:00")),
        ("today", "Pacific/Auckland", ("2026-11-26 11:00", "2026-11-27 11:00")),
        ("today", "America/Los_Angeles", ("2026-11-26 08:00", "2026-11-27 08:00")),
        ("today", "Asia/Kathmandu", ("2026-11-25 18:15", "2026-11-26 18:15")),
        ("all", "UTC", ("2000-01-01 00:00", "2026-11-27 00:00")),
    ],
)
def test_a_period_is_made_of_the_sites_days(period: str, timezone: str, expected: tuple[str, str]) -> None:
    """The current day is included; ranges without days are the same everywhere."""
    assert bounds(period, timezone) == expected


def test_a_moment_on_the_quarter_is_in_the_last_day() -> None:
    """The last 24 hours include an event of this moment, also at the start of a quarter of an hour."""
    now = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
    assert bounds("24h", now=now) == ("2026-11-25 12:45", "2026-11-26 12:45")


@pytest.mark.parametrize(
    ("timezone", "day", "hours", "start"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23, "2026-03-28 23:00"),
        ("Europe/Berlin", date(2026, 10, 25), 25, "2026-10-24 22:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5, "2026-04-04 13:00"),
        # Clocks went from 23:59:59 to 1:00: the day has no midnight and begins when the previous one ends.
        ("America/Santiago", date(2026, 9, 6), 23, "2026-09-06 04:00"),
        # Clocks went back from 0:59:59 to 0:00: midnight came twice.
        ("America/Havana", date(2026, 11, 1), 25, "2026-11-01 04:00"),
    ],
)
def test_days_of_changing_clocks(timezone: str, day: date, hours: float, start: str) -> None:
    """Days on which clocks change have 23 or 25 hours and adjoin their neighbours."""
    range_ = Range.of("custom", timezone=timezone, now=NOW, first=day, last=day)
    after = Range.of(
        "custom", timezone=timezone, now=NOW, first=day + timedelta(days=1), last=day + timedelta(days=1)
    )
    assert (range_.end - range_.start, f"{range_.start:%Y-%m-%d %H:%M}") == (timedelta(hours=hours), start)
    assert range_.end == after.start
    assert (range_.first, range_.last) == (day, day)


def test_every_day_of_every_zone_is_made_of_quarters() -> None:
    """The rollups rely on this."""
    for timezone in timezones():
        for day in (date(2000, 1, 1), date(2008, 5, 1), date(2016, 7, 1), date(2026, 11, 26)):
            start = Range.of("custom", timezone=timezone, now=NOW, first=day, last=day).start
            assert start.timestamp() % 900 == 0, (timezone, day)


@pytest.mark.parametrize(
    ("period", "days", "expected"),
    [
        ("realtime", {}, ("2026-11-26 11:34", "2026-11-26 12:04")),
        ("24h", {}, ("2026-11-24 11:45", "2026-11-25 11:34")),
        # Running ranges are compared until the same time of day.
        ("today", {}, ("2026-11-24 23:00", "2026-11-25 12:34")),
        ("yesterday", {}, ("2026-11-23 23:00", "2026-11-24 23:00")),
        ("7d", {}, ("2026-11-12 23:00", "2026-11-19 12:34")),
        # From summer to winter time: equal in days, not in hours.
        ("30d", {}, ("2026-09-27 22:00", "2026-10-27 12:34")),
        (
            "custom",
            {"first": date(2026, 11, 26), "last": date(2026, 11, 29)},
            ("2026-11-21 23:00", "2026-11-22 12:34"),
        ),
        (
            "custom",
            {"first": date(2026, 3, 29), "last": date(2026, 3, 30)},
            ("2026-03-26 23:00", "2026-03-28 23:00"),
        ),
    ],
)
def test_the_range_before(period: str, days: dict[str, date], expected: tuple[str, str]) -> None:
    """The previous range has as many days, and ends at the same time of day if the range is running."""
    now = NOW - timedelta(hours=1) if period == "24h" else NOW
    previous = Range.of(period, timezone="Europe/Berlin", now=now, **days).previous()
    assert previous
    assert (f"{previous.start:%Y-%m-%d %H:%M}", f"{previous.end:%Y-%m-%d %H:%M}") == expected


@pytest.mark.parametrize(
    ("period", "days", "before"),
    [
        # NOW is the 26th of November 2026, 12:34.
        ("month", ("2026-11-01", "2026-11-30"), ("2026-10-01", "2026-10-26 12:34")),
        ("last_month", ("2026-10-01", "2026-10-31"), ("2026-09-01", "2026-10-01 00:00")),
        ("year", ("2026-01-01", "2026-12-31"), ("2025-01-01", "2025-11-26 12:34")),
        ("last_year", ("2025-01-01", "2025-12-31"), ("2024-01-01", "2025-01-01 00:00")),
        ("12m", ("2025-12-01", "2026-11-26"), ("2024-12-01", "2025-11-26 12:34")),
    ],
)
def test_months_and_years(period: str, days: tuple[str, str], before: tuple[str, str]) -> None:
    """Months and years follow the calendar; as many months before are compared, until the same moment."""
    range_ = Range.of(period, timezone="UTC", now=NOW)
    previous = range_.previous()
    assert previous
    assert (f"{range_.first}", f"{range_.last}") == days
    assert (f"{previous.first}", f"{previous.end:%Y-%m-%d %H:%M}") == before


def test_the_last_day_of_a_long_month_is_compared_with_that_of_a_short_one() -> None:
    """The 31st of March with the 28th of February; the whole month is there for the chart."""
    now = datetime(2026, 3, 31, 6, tzinfo=UTC)
    march = Range.of("month", timezone="UTC", now=now)
    previous, whole = march.previous(), march.previous(whole=True)
    assert previous
    assert whole
    assert f"{previous.end:%Y-%m-%d %H}" == "2026-02-28 06"
    assert (whole.start, whole.end) == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("period", "intervals"),
    [
        ("realtime", ("minute",)),
        ("24h", ("hour",)),
        ("today", ("hour",)),
        ("7d", ("hour", "day")),
        ("14d", ("hour", "day", "week")),
        ("month", ("day", "week")),
        ("30d", ("day", "week", "month")),
        ("year", ("day", "week", "month")),
        ("all", ("month",)),
    ],
)
def test_intervals_have_bounds(period: str, intervals: tuple[str, ...]) -> None:
    """At least two steps and at most 400; the usual interval is among them."""
    range_ = Range.of(period, timezone="UTC", now=NOW)
    assert range_.intervals == intervals
    assert range_.interval in intervals
    for interval in intervals:
        assert len(range_.by(interval).points()) <= 400
    with pytest.raises(ValueError, match=r"interval must be .* \(got 'second'\)"):
        range_.by("second")


def test_weeks_begin_on_mondays() -> None:
    """The first step is the rest of a week."""
    range_ = Range.of("14d", timezone="Europe/Berlin", now=NOW).by("week")
    begins = [point.astimezone(zone("Europe/Berlin")) for point in range_.points()]
    assert [f"{begin:%a %d %H}" for begin in begins] == ["Fri 13 00", "Mon 16 00", "Mon 23 00"]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Clocks go forward at 2:00 on the 29th of March, and back at 3:00 on the 25th of October.
        (datetime(2026, 3, 29, 6, 0, tzinfo=UTC), ("2026-03-27 23:00", "2026-03-28 07:00")),
        (datetime(2026, 10, 25, 7, 0, tzinfo=UTC), ("2026-10-23 22:00", "2026-10-24 06:00")),
        # 2:30 does not exist on the 29th: it is 3:30.
        (datetime(2026, 3, 30, 0, 30, tzinfo=UTC), ("2026-03-28 23:00", "2026-03-29 01:30")),
    ],
)
def test_a_running_day_is_compared_by_the_clock(now: datetime, expected: tuple[str, str]) -> None:
    """Also if the clocks change between the two days: 8:00 is compared with 8:00."""
    previous = Range.of("today", timezone="Europe/Berlin", now=now).previous()
    assert previous
    assert (f"{previous.start:%Y-%m-%d %H:%M}", f"{previous.end:%Y-%m-%d %H:%M}") == expected


def test_nothing_is_before_all() -> None:
    """The range ``all``, and one at the earliest day, have no previous range."""
    assert Range.of("all", timezone="UTC", now=NOW).previous() is None
    first = date(2000, 1, 2)
    assert Range.of("custom", timezone="UTC", now=NOW, first=first, last=date(2000, 2, 1)).previous() is None


@pytest.mark.parametrize(
    ("period", "days", "reason"),
    [
        ("90d", {}, "period must be one of realtime, 24h, "),
        ("custom", {"first": date(2026, 1, 1)}, "needs both from and to"),
        (
            "custom",
            {"first": date(2026, 1, 2), "last": date(2026, 1, 1)},
            r"from \(2026-01-02\) must not be later than to \(2026-01-01\)",
        ),
        ("custom", {"first": date(1999, 12, 31), "last": date(2026, 1, 1)}, "1999-12-31 is out of bounds"),
        ("custom", {"first": date(2026, 1, 1), "last": date(2100, 1, 1)}, "2100-01-01 is out of bounds"),
    ],
)
def test_what_is_wrong_is_named(period: str, days: dict[str, date], reason: str) -> None:
    """The message is for the person who asked."""
    with pytest.raises(ValueError, match=reason):
        Range.of(period, timezone="UTC", now=NOW, **days)


@pytest.mark.parametrize(
    "name",
    ["", "Europe/Atlantis", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "utc", "localtime", "Factory"],
)
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """Names of folders and files are refused too."""
    with pytest.raises(ValueError, match="unknown time zone"):
        Range.of("today", timezone=name, now=NOW)


@pytest.mark.parametrize(
    ("period", "days", "interval", "number"),
    [
        ("realtime", {}, "minute", 31),  # 12:04:56 to 12:34:56: includes parts of the first and last minute.
        ("24h", {}, "hour", 24),
        ("today", {}, "hour", 24),
        ("30d", {}, "day", 30),
        ("custom", {"first": date(2026, 10, 25), "last": date(2026, 10, 25)}, "hour", 25),
        ("custom", {"first": date(2026, 10, 1), "last": date(2026, 10, 31)}, "day", 31),
        ("custom", {"first": date(2025, 11, 15), "last": date(2026, 11, 14)}, "month", 13),
    ],
)
def test_the_steps_of_a_series(period: str, days: dict[str, date], interval: str, number: int) -> None:
    """As many as a chart can show, ascending, the first at the start of the range."""
    range_ = Range.of(period, timezone="Europe/Berlin", now=NOW, **days)
    points = range_.points()
    assert (range_.interval, len(points)) == (interval, number)
    assert sorted(set(points)) == list(points)
    assert points[0] == range_.start.replace(second=0, microsecond=0)
    assert points[-1] < range_.end


def test_days_of_a_series_begin_at_local_midnights() -> None:
    """Holds across a change of clocks."""
    range_ = Range.of(
        "custom", timezone="Europe/Berlin", now=NOW, first=date(2026, 10, 24), last=date(2026, 10, 26)
    )
    assert [f"{point:%d %H}" for point in range_.points()] == ["23 22", "24 22", "25 23"]


def test_the_month_is_that_of_the_zone() -> None:
    """The evening of a month's last day in UTC is in the next month further east."""
    now = datetime(2026, 11, 30, 20, tzinfo=UTC)
    assert (month("UTC", now).first, month("Asia/Tokyo", now).first) == (date(2026, 11, 1), date(2026, 12, 1))
    assert month("Asia/Tokyo", now).last == date(2026, 12, 31)


def test_every_period_that_is_listed_is_known() -> None:
    """The list is part of the error message."""
    for period in PERIODS:
        days = {"first": date(2026, 1, 1), "last": date(2026, 1, 1)} if period == "custom" else {}
        assert Range.of(period, timezone="UTC", now=NOW, **days).period == period
