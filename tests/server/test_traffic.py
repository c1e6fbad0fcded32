"""KPIs over time: expected values are counted by hand from each test's events."""

from datetime import date, timedelta

import pytest

from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import GOAL, Settings
from reference_server.storage import shared_tables
from reference_server.storage.client import Clients
from reference_server.storage.shared_tables import Setting
from tests.server.reading import NOW, Pen, Sent

DAYS = Range.of("7d", timezone="UTC", now=NOW)


def test_goals_match_exactly_and_count_completions(pen: Pen, reader: Reader, settings: Settings) -> None:
    """GOAL-2, GOAL-3: prefixes and other cases do not match; the rate is relative to all visitors."""
    pen.write(
        *[Sent(name="Signup", visitor="v")] * 2,
        Sent(name="signup", visitor="w"),
        Sent(name="Signup Pro", visitor="x"),
        Sent(visitor="y"),
        *(Sent(visitor=f"z{number}") for number in range(4)),
    )
    goal, none = settings.add_goal(pen.site, "Signup"), settings.add_goal(pen.site, "Sign")
    found = reader.goals(pen.site, DAYS)
    assert [(each.id, each.event_name) for each in found] == [(goal.id, "Signup"), (none.id, "Sign")]
    assert [(each.conversions, each.visitors, each.rate) for each in found] == [(2, 1, 25.0), (0, 0, 0.0)]


@pytest.mark.parametrize("names", [["x" * 140_000], [f"{n}" * 10_000 for n in range(14)]], ids=["one", "14"])
def test_long_goals_lock_no_user_out(
    pen: Pen, reader: Reader, settings: Settings, database: str, names: list[str]
) -> None:
    """F11: goals of earlier versions may exceed the limits, and a bound value of ClickHouse (128 KiB)."""
    pen.write(Sent(name=names[-1][:10_000], visitor="v"))
    old = [Setting(kind=GOAL, name=name, value=f"{n}", version=1) for n, name in enumerate(names, 1)]
    shared_tables.write(Clients(database).get(), pen.site, old)
    settings.add_goal(pen.site, "Signup")
    counted = [0] * (len(names) - 1) + [int(len(names[-1]) <= 10_000)]
    assert [goal.conversions for goal in reader.goals(pen.site, DAYS)] == [*counted, 0]
    assert kpis(reader, pen.site)["conversions"][0] == sum(counted)
    series = reader.series(pen.site, DAYS, "conversions")
    assert sum(point.value for point in series.points) == sum(counted)


def kpis(
    reader: Reader, site: str, range_: Range = DAYS
) -> dict[str, tuple[float, float | None, float | None]]:
    """Return the values by key."""
    return {kpi.key: (kpi.value, kpi.previous, kpi.change) for kpi in reader.kpis(site, range_)}


def test_kpis(pen: Pen, reader: Reader, settings: Settings) -> None:
    """Each has the value of the previous range; conversions exist only with a goal (GOAL-4)."""
    before = NOW - timedelta(days=7, seconds=1)
    pen.write(
        # A session of a minute with two pageviews and an event, one that bounces, and one with events only.
        Sent(visitor="a", session="1"),
        Sent(visitor="a", session="1", at=NOW + timedelta(seconds=20)),
        Sent(visitor="a", session="1", name="Signup", at=NOW + timedelta(seconds=60)),
        Sent(visitor="b", session="2"),
        *[Sent(visitor="c", session="3", name="Signup")] * 2,
        # A single pageview with an event is not a bounce.
        Sent(visitor="d", session="4"),
        Sent(visitor="d", session="4", name="Other"),
        Sent(visitor="a", session="0", at=before),
        Sent(visitor="b", session="5", at=before),
    )
    expected = {
        "visitors": (4, 2, 100.0),
        "pageviews": (4, 2, 100.0),
        "views_per_visit": (1.33, 1.0, 33.0),
        "bounce_rate": (33.33, 100.0, -66.67),
        "events": (4, 0, None),
        "duration": (15.0, 0.0, None),
    }
    assert kpis(reader, pen.site) == expected
    settings.add_goal(pen.site, "Signup")
    found = kpis(reader, pen.site)
    assert found == expected | {"conversions": (3, 0, None), "conversion_rate": (75.0, 0.0, None)}
    order = ["visitors", "pageviews", "views_per_visit", "bounce_rate", "events"]
    assert list(found) == [*order, "conversions", "conversion_rate", "duration"]


def test_a_running_day_is_compared_until_the_same_time(pen: Pen, reader: Reader) -> None:
    """Of yesterday the events until now's time of day count, to the millisecond: 12:34:56.789."""
    day, moment = timedelta(days=1), timedelta(milliseconds=1)
    pen.write(
        *(Sent(at=at) for at in (NOW - day - moment, NOW - day, NOW - day + timedelta(hours=3))),
        *(
            Sent(at=NOW - day - back, visitor=f"{back}")
            for back in (timedelta(hours=9), timedelta(minutes=3))
        ),
        Sent(at=NOW - day - moment, name="Signup", session="2"),
        *[Sent(at=NOW)] * 6,
    )
    today = Range.of("today", timezone="UTC", now=NOW)
    found = kpis(reader, pen.site, today)
    assert found["pageviews"] == (6, 3, 100.0)
    assert found["visitors"] == (1, 3, -66.67)
    previous = today.previous()
    assert previous
    assert [(row.name, row.count) for row in reader.events(pen.site, previous).rows] == [("Signup", 1)]
    assert reader.kpis(pen.site, previous)[0].value == 3


def test_kpis_of_nothing(pen: Pen, reader: Reader) -> None:
    """A site without events has zeros and no changes; all time has no previous range."""
    keys = ("visitors", "pageviews", "views_per_visit", "bounce_rate", "events", "duration")
    assert kpis(reader, pen.site) == dict.fromkeys(keys, (0, 0, None))
    everything = reader.range(pen.site, "all")
    assert kpis(reader, pen.site, everything) == dict.fromkeys(keys, (0, None, None))


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kolkata"])
def test_a_session_over_midnight_is_one(pen: Pen, reader: Reader, timezone: str) -> None:
    """Its rows of two days are combined; if a range cuts it, the part inside counts."""
    today = Range.of("today", timezone=timezone, now=NOW)
    yesterday = Range.of("yesterday", timezone=timezone, now=NOW)
    seconds = (-1800, -1770, 0, 60)
    pen.write(*(Sent(at=today.start + timedelta(seconds=each)) for each in seconds))
    for range_, views, duration in ((DAYS, 4, 1860), (today, 2, 60), (yesterday, 2, 30)):
        found = kpis(reader, pen.site, range_)
        assert (found["views_per_visit"][0], found["duration"][0]) == (views, duration)


def test_many_sessions_are_sampled_well(pen: Pen, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of a tenth of 30,000 sessions gives the same figures within its error."""
    monkeypatch.setattr("reference_server.analytics.kpis._SESSIONS", 4_000)
    sent = [Sent(session=f"s{number}") for number in range(30_000)]
    pen.write(*sent, *sent[:10_000])
    found = kpis(reader, pen.site)
    assert found["bounce_rate"][0] == pytest.approx(100 * 2 / 3, rel=0.05)
    assert found["views_per_visit"][0] == pytest.approx(4 / 3, rel=0.05)
    assert found["pageviews"][0] == 40_000


def test_a_series_has_no_holes(pen: Pen, reader: Reader, settings: Settings) -> None:
    """Steps are days of the site; a visitor counts once per step."""
    first, last = date(2026, 10, 24), date(2026, 10, 26)
    range_ = Range.of("custom", timezone="Europe/Berlin", now=NOW, first=first, last=last)
    for hour in (0, 5, 24, 24.9, 25):
        at = range_.start + timedelta(days=1, hours=hour)
        pen.write(Sent(at=at, name="Signup"), Sent(at=at), Sent(at=at, visitor="w", name="Other"))
    settings.add_goal(pen.site, "Signup")
    for metric, values in {
        "visitors": [0, 2, 2],
        "pageviews": [0, 4, 1],
        "events": [0, 8, 2],
        "conversions": [0, 4, 1],
    }.items():
        series = reader.series(pen.site, range_, metric)
        assert (metric, [point.value for point in series.points]) == (metric, values)
    assert [f"{point.time:%m-%d %H:%M}" for point in series.points] == [
        "10-23 22:00",
        "10-24 22:00",
        "10-25 23:00",
    ]


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/London"])
@pytest.mark.parametrize(
    ("period", "interval"), [("realtime", "minute"), ("24h", "hour"), ("30d", "day"), ("custom", "month")]
)
def test_an_event_is_in_its_step(pen: Pen, reader: Reader, period: str, timezone: str, interval: str) -> None:
    """The first and the last moment of a step belong to it, the moments around it do not."""
    custom = {"first": date(2026, 1, 1), "last": date(2026, 12, 31)} if period == "custom" else {}
    range_ = Range.of(period, timezone=timezone, now=NOW, **custom)
    begin, end = range_.points()[7:9]
    tick = timedelta(milliseconds=1)
    pen.write(*(Sent(at=at) for at in (begin - tick, begin, end - tick, end)))
    series = reader.series(pen.site, range_, "pageviews")
    expected = [0] * len(range_.points())
    expected[6:9] = [1, 2, 1]
    assert (series.interval, [point.value for point in series.points]) == (interval, expected)


def test_an_unknown_metric_is_refused(pen: Pen, reader: Reader) -> None:
    """The message names it."""
    with pytest.raises(ValueError, match=r"metric must be one of visitors, .*got 'money'"):
        reader.series(pen.site, DAYS, "money")
