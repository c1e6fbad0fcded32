"""Queries of the dashboard: expected values are counted by hand from each test's events."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.results import (
    EventCount,
    EventPage,
    PropertyCount,
    PropertyPage,
    ValueCount,
    ValuePage,
)
from reference_server.analytics.site_settings import Settings
from tests.server.reading import NOW, Pen, Sent

DAYS = Range.of("7d", timezone="UTC", now=NOW)
NASTY = (
    "'\"`\\",
    "a\0b",
    "\t\r\n\x07\x1f",
    "%s {x:String} $1",
    "🎉" * 10_000,
    "</script>",
    " lead ",
    "\\N",
    "NULL",
)


def listed(page: EventPage) -> list[tuple[str, int]]:
    """Return the names of a page with their counts."""
    return [(row.name, row.count) for row in page.rows]


def test_events_have_total_counts(pen: Pen, reader: Reader) -> None:
    """DASH-1: all events count, not only visitors; the most common come first, ties by name."""
    signups = [Sent(name="Signup", visitor="v")] * 3
    pen.write(*signups, Sent(name="b"), Sent(name="a"), Sent(name="a", visitor="w"), Sent(name="b"), Sent())
    assert reader.events(pen.site, DAYS) == EventPage(
        rows=(
            EventCount(name="Signup", count=3, visitors=1, has_properties=False),
            EventCount(name="a", count=2, visitors=2, has_properties=False),
            EventCount(name="b", count=2, visitors=1, has_properties=False),
        ),
        total=3,
    )


def test_events_without_their_visitors_are_the_same(pen: Pen, reader: Reader) -> None:
    """Leaving out visitors, as the page does, changes nothing else."""
    for currency in ("EUR", "USD", "EUR"):
        pen.write(Sent(name="Purchase", revenue=("1.5", currency), properties=[("plan", "pro")]))
    pen.write(Sent(name="Refund", revenue=("0", "EUR")), Sent(name="a", visitor="w"), Sent(name="a"))
    whole = reader.events(pen.site, DAYS)
    assert [row.visitors for row in whole.rows] == [1, 2, 1]
    page = reader.events(pen.site, DAYS, visitors=False)
    assert page == replace(whole, rows=tuple(replace(row, visitors=None) for row in whole.rows))


def test_names_that_differ_in_case_or_space_are_different(pen: Pen, reader: Reader) -> None:
    """DASH-4: ties are in the order of code points."""
    names = ["Purchase", "purchase", " Purchase", "PURCHASE", "Purchase "]
    pen.write(*(Sent(name=name) for name in names))
    assert listed(reader.events(pen.site, DAYS)) == [(name, 1) for name in sorted(names)]


def test_other_sites_and_other_days_are_not_counted(pen: Pen, reader: Reader) -> None:
    """Excludes a site with an almost equal domain, and the days before and after."""
    pen.write(Sent(name="Signup"), Sent(name="Signup", at=DAYS.start), Sent(name="Signup", at=DAYS.end))
    pen.write(Sent(name="Signup", at=DAYS.start - timedelta(milliseconds=1)))
    Pen(pen.client, f"{pen.site}.au", pen.url).write(Sent(name="Signup"))
    assert listed(reader.events(pen.site, DAYS)) == [("Signup", 2)]


def test_currencies_are_never_added(pen: Pen, reader: Reader) -> None:
    """REV-9: each currency has an exact sum, refunds included; zero is revenue, a missing amount is not."""
    pen.write(
        *(Sent(name="Purchase", revenue=("0.1", "EUR")) for _ in range(3)),
        Sent(name="Purchase", revenue=("49.99", "USD")),
        Sent(name="Purchase", revenue=("-9.99", "USD")),
        Sent(name="Purchase", revenue=("0", "XXX")),
        Sent(name="Purchase", revenue=("99999999999999999999.999999999", "JPY")),
        Sent(name="Purchase"),
        Sent(name="Signup"),
    )
    purchase, signup = reader.events(pen.site, DAYS).rows
    assert (purchase.count, signup.revenue) == (8, ())
    assert [(currency, f"{amount:f}") for currency, amount in purchase.revenue] == [
        ("EUR", "0.3"),
        ("JPY", "99999999999999999999.999999999"),
        ("USD", "40"),
        ("XXX", "0"),
    ]


def test_properties_and_values_are_counted(pen: Pen, reader: Reader) -> None:
    """DASH-2: values are counted, most common first, ties by value; has_properties only if there are any."""
    pen.write(
        *[Sent(name="Signup", properties=[("plan", "pro"), ("source", "ad")])] * 2,
        Sent(name="Signup", properties=[("plan", "free")]),
        Sent(name="Signup", properties=[("plan", "Free")]),
        Sent(name="Signup"),
        Sent(name="Other", properties=[("plan", "pro")]),
        Sent(name="Bare"),
    )
    arrows = {row.name: row.has_properties for row in reader.events(pen.site, DAYS).rows}
    assert arrows == {"Signup": True, "Other": True, "Bare": False}
    assert reader.properties(pen.site, DAYS, "Signup") == PropertyPage(
        rows=(
            PropertyCount(name="plan", count=4, distinct=3),
            PropertyCount(name="source", count=2, distinct=1, only="ad"),
        ),
        total=2,
    )
    plans = (("pro", 2), ("Free", 1), ("free", 1))
    rows = tuple(ValueCount(value=value, count=count) for value, count in plans)
    assert reader.values(pen.site, DAYS, "Signup", "plan") == ValuePage(rows=rows, total=3)
    ads = (ValueCount(value="ad", count=2),)
    assert reader.top_values(pen.site, DAYS, "Signup", ["plan", "source"], 2) == {
        "plan": rows[:2],
        "source": ads,
    }


def test_a_key_that_comes_twice_counts_for_each_value(pen: Pen, reader: Reader) -> None:
    """The parallel arrays of a row may contain a key twice."""
    pen.write(Sent(name="Signup", properties=[("plan", "pro"), ("plan", "free"), ("plan", "pro")]))
    found = reader.properties(pen.site, DAYS, "Signup").rows
    assert found == (PropertyCount(name="plan", count=3, distinct=2),)
    assert [(row.value, row.count) for row in reader.values(pen.site, DAYS, "Signup", "plan").rows] == [
        ("pro", 2),
        ("free", 1),
    ]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_any_text_is_found_again(pen: Pen, reader: Reader, settings: Settings, text: str) -> None:
    """All text is bound, so names, keys and values may contain anything."""
    pen.write(Sent(name=text, properties=[(text, text)]), Sent(name=f"{text}x", properties=[("x", "x")]))
    settings.add_goal(pen.site, text)
    assert listed(reader.events(pen.site, DAYS, search=text)) == [(text, 1), (f"{text}x", 1)]
    assert [row.name for row in reader.properties(pen.site, DAYS, text).rows] == [text]
    values = reader.values(pen.site, DAYS, text, text, search=text).rows
    assert [(row.value, row.count) for row in values] == [(text, 1)]
    assert reader.names(pen.site, text) == (text, f"{text}x")
    assert [goal.conversions for goal in reader.goals(pen.site, DAYS)] == [1]
    assert sum(point.value for point in reader.series(pen.site, DAYS, "conversions").points) == 1


def test_ten_thousand_names_are_paged_and_searched(pen: Pen, reader: Reader) -> None:
    """Pages have no gaps; the total is that of the search, also beyond the last page."""
    names = [f"Éclair {number:05}" for number in range(10_000)]
    pen.write(*(Sent(name=name, properties=[("id", name)]) for name in names))
    third = reader.events(pen.site, DAYS, limit=100, offset=200)
    assert ([row.name for row in third.rows], third.total) == (names[200:300], 10_000)
    found = reader.events(pen.site, DAYS, search="éCLAIR 0123", limit=4, offset=8)
    assert ([row.name for row in found.rows], found.total) == (["Éclair 01238", "Éclair 01239"], 10)
    assert reader.events(pen.site, DAYS, offset=20_000) == EventPage(rows=(), total=10_000)
    assert reader.events(pen.site, DAYS, search="%") == EventPage(rows=(), total=0)
    value = reader.values(pen.site, DAYS, names[7], "id", search="00007", limit=1)
    assert value == ValuePage(rows=(ValueCount(value=names[7], count=1),), total=1)


def test_all_time_begins_with_the_first_event(pen: Pen, reader: Reader, settings: Settings) -> None:
    """In days of the site: late evening in UTC is the next day in Tokyo."""
    settings.set_timezone(pen.site, "Asia/Tokyo")
    pen.write(Sent(at=datetime(2026, 10, 31, 20, tzinfo=UTC)))
    range_ = reader.range(pen.site, "all")
    assert range_.first == date(2026, 11, 1)
    whole = Range.of("all", timezone="Asia/Tokyo", now=datetime.now(UTC))
    assert reader.series(pen.site, whole, "visitors") == reader.series(pen.site, range_, "visitors")


def test_usage_counts_pageviews_and_events_alike(pen: Pen, reader: Reader, settings: Settings) -> None:
    """QUOTA-1: covers the current month in UTC, whatever the site's time zone."""
    settings.set_timezone(pen.site, "Pacific/Kiritimati")
    now = datetime.now(UTC)
    before = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(milliseconds=1)
    pen.write(Sent(at=now), *[Sent(name="Signup", at=now)] * 2, Sent(at=before))
    usage = reader.usage(pen.site)
    assert (usage.month, usage.pageviews, usage.custom_events, usage.total, usage.quota) == (
        f"{now:%Y-%m}",
        *(1, 2, 3, 1000),
    )


def test_names_seen_are_suggested(pen: Pen, reader: Reader) -> None:
    """Names of any time, most common first; sites are listed once they have events."""
    pen.write(*[Sent(name="Signup")] * 2, Sent(name="Purchase", at=datetime(2020, 1, 1, tzinfo=UTC)), Sent())
    assert reader.names(pen.site) == ("Signup", "Purchase")
    assert reader.names(pen.site, "pURCH") == ("Purchase",)
    assert pen.site in reader.sites()


def test_advice_on_properties(pen: Pen, reader: Reader) -> None:
    """LINT-3: applies to values that are nearly unique, or addresses, ids and times; not to small sets."""
    pen.write(
        *(Sent(name="View", properties=[("page", f"page {n % 60}")]) for n in range(120)),
        *(
            Sent(
                name="Signup",
                properties=[("order", f"no. {n}"), ("plan", "pro"), ("page", f"{n % 20}"), ("few", f"x{n}")][
                    : 3 if n > 48 else 4
                ],
            )
            for n in range(60)
        ),
        *(
            Sent(
                name="Login",
                properties=[
                    ("mail", f"user{n}@example.com"),
                    ("id", f"0b0e7f1a-91a5-4b7e-8a3c-00000000000{n}"),
                    ("when", f"2026-11-26T12:00:0{n}Z"),
                    ("stamp", f"176416000{n}"),
                    ("day", f"2026-11-0{n}"),
                ],
            )
            for n in range(1, 4)
        ),
    )
    found = [(advice.rule, advice.names) for advice in reader.advice(pen.site, DAYS)]
    assert found == [
        ("LINT-3", ("Signup", "order")),
        *(("LINT-3", ("Login", key)) for key in ("id", "mail", "stamp", "when")),
    ]
    only = [(advice.rule, advice.names) for advice in reader.advice(pen.site, DAYS, ("Signup", "View"))]
    assert only == [("LINT-3", ("Signup", "order"))]


def test_advice_on_names_that_have_just_come(pen: Pen, reader: Reader) -> None:
    """The advice covers these names only and compares them with stored ones."""
    pen.write(*(Sent(name=name) for name in ("Purchase", "Form Sent", "form sent", "Signup Pro")))
    found = reader.advice(pen.site, DAYS, ("purchase", "Signup Free", "Other"))
    assert [(advice.rule, advice.names) for advice in found] == [
        ("LINT-1", ("Purchase", "purchase")),
        ("LINT-2", ("Signup Free", "Signup Pro")),
    ]


def test_amounts_are_exact(pen: Pen, reader: Reader) -> None:
    """A thousand odd amounts are summed exactly, in one insert or many."""
    pen.write(*[Sent(name="Purchase", revenue=("0.000000001", "EUR"))] * 999)
    pen.write(Sent(name="Purchase", revenue=("19.999999001", "EUR")))
    assert reader.events(pen.site, DAYS).rows[0].revenue == (("EUR", Decimal("20")),)
