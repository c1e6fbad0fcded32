"""Filters: figures of events with a name and values of properties, counted by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reference_server.analytics.filters import Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.results import Revenue, ValueCount
from reference_server.analytics.site_settings import Settings
from tests.server.reading import NOW, Pen, Sent
from tests.server.test_reader import DAYS, NASTY

PRO = Filter(event="Purchase", properties=(("plan", "pro"),))


def bought(plan: str, place: str, visitor: str, *revenue: str, days: int = 0) -> Sent:
    """Return a purchase of some days ago."""
    properties = (("plan", plan), ("place", place))
    at = NOW - timedelta(days=days)
    amount = (revenue[0], revenue[1]) if revenue else None
    return Sent(name="Purchase", visitor=visitor, properties=properties, revenue=amount, at=at)


@pytest.fixture
def shop(pen: Pen, settings: Settings) -> str:
    """A site with ten visitors, purchases of four of them, and two other events with the same property."""
    pen.write(
        *(Sent(visitor=f"{number}") for number in range(10)),
        bought("pro", "top", "1", "10", "EUR"),
        bought("pro", "top", "1", "20.5", "EUR", days=2),
        bought("pro", "end", "2", "5", "USD"),
        bought("free", "top", "3"),
        bought("free", "end", "4", "1", "EUR"),
        bought("pro", "top", "5", "7", "EUR", days=8),
        Sent(name="Signup", visitor="6", properties=[("plan", "pro")]),
        Sent(name="Signup", visitor="6", properties=[("plan", "pro"), ("plan", "free")]),
        Sent(name="Other", visitor="7"),
    )
    for name in ("Purchase", "Signup"):
        settings.add_goal(pen.site, name)
    return pen.site


def figures(reader: Reader, site: str, by: Filter) -> dict[str, tuple[float, float | None]]:
    """Return value and previous value of the KPIs by key."""
    return {kpi.key: (kpi.value, kpi.previous) for kpi in reader.kpis(site, DAYS, by)}


def test_kpis_are_those_of_the_matching_events(shop: str, reader: Reader) -> None:
    """Visitors are those who sent one; the rate is relative to all visitors of the site."""
    assert figures(reader, shop, Filter(event="Purchase")) == {
        "visitors": (4, 1),
        "events": (5, 1),
        "conversion_rate": (50.0, 100.0),
    }
    assert figures(reader, shop, PRO) == {
        "visitors": (2, 1),
        "events": (3, 1),
        "conversion_rate": (30.0, 100.0),
    }
    both = Filter(event="Purchase", properties=(("plan", "pro"), ("place", "end")))
    assert figures(reader, shop, both)["events"] == (1, 0)


def test_a_property_filters_all_events(shop: str, reader: Reader) -> None:
    """Without a name, events of any name count; one with both values matches both."""
    found = reader.events(shop, DAYS, by=Filter(properties=(("plan", "pro"),)))
    assert [(row.name, row.count, row.visitors) for row in found.rows] == [
        ("Purchase", 3, 2),
        ("Signup", 2, 1),
    ]
    both = Filter(properties=(("plan", "pro"), ("plan", "free")))
    assert [(row.name, row.count) for row in reader.events(shop, DAYS, by=both).rows] == [("Signup", 1)]
    # A value of another property is no match.
    assert reader.events(shop, DAYS, by=Filter(properties=(("place", "pro"),))).rows == ()


def test_revenue_stays_in_its_currency(shop: str, reader: Reader) -> None:
    """REV-9: each currency has a sum, a number of amounts, and an average of its own."""
    eur, usd = reader.revenue(shop, DAYS, Filter(event="Purchase"))
    assert eur == Revenue(currency="EUR", amount=Decimal("31.5"), count=3)
    assert (eur.average, usd.average) == (Decimal("10.5"), Decimal("5"))
    [goal] = reader.goals(shop, DAYS, PRO)
    assert goal.revenue == (
        Revenue(currency="EUR", amount=Decimal("30.5"), count=2),
        Revenue(currency="USD", amount=Decimal("5"), count=1),
    )
    assert (goal.conversions, goal.visitors, goal.rate) == (3, 2, 30.0)


def test_series_and_trends_are_filtered(shop: str, reader: Reader) -> None:
    """Each step has the matching events of its day; the period before has the one of eight days ago."""
    assert [point.value for point in reader.series(shop, DAYS, "events", PRO).points] == [0, 0, 0, 0, 1, 0, 2]
    rates = reader.series(shop, DAYS, "conversion_rate", PRO).points
    assert [point.value for point in rates] == [0, 0, 0, 0, 100.0, 0, 20.0]
    before = DAYS.previous(whole=True)
    assert before
    values = [point.value for point in reader.series(shop, before, "visitors", PRO).points]
    assert values == [0, 0, 0, 0, 0, 1, 0]
    trends = reader.trends(shop, DAYS, ["Purchase", "Signup"], Filter(event="Purchase"))
    assert trends == {"Purchase": (0, 0, 0, 0, 1, 0, 4)}
    with pytest.raises(ValueError, match="metric must be one of visitors, events, conversion_rate"):
        reader.series(shop, DAYS, "pageviews", PRO)


def test_values_have_visitors_and_revenue(shop: str, reader: Reader) -> None:
    """Of the range, and of those that match; the count of all is that of the property."""
    page = reader.values(shop, DAYS, "Purchase", "plan", details=True)
    eur = Revenue(currency="EUR", amount=Decimal("30.5"), count=2)
    usd = Revenue(currency="USD", amount=Decimal("5"), count=1)
    free = Revenue(currency="EUR", amount=Decimal("1"), count=1)
    assert page.rows == (
        ValueCount(value="pro", count=3, visitors=2, revenue=(eur, usd)),
        ValueCount(value="free", count=2, visitors=2, revenue=(free,)),
    )
    assert page.count == 5
    top = reader.values(
        shop,
        DAYS,
        "Purchase",
        "plan",
        details=True,
        by=Filter(event="Purchase", properties=(("place", "top"),)),
    )
    assert [(row.value, row.count, row.visitors) for row in top.rows] == [("pro", 2, 1), ("free", 1, 1)]


def test_a_value_that_comes_twice_earns_once(pen: Pen, reader: Reader) -> None:
    """A value that an event has twice counts twice, but the event has one amount."""
    twice = [("plan", "pro"), ("plan", "pro"), ("place", "pro")]
    pen.write(Sent(name="Purchase", properties=twice, revenue=("10", "EUR")))
    [row] = reader.values(pen.site, DAYS, "Purchase", "plan", details=True).rows
    assert (row.count, row.visitors) == (2, 1)
    assert row.revenue == (Revenue(currency="EUR", amount=Decimal("10"), count=1),)


@pytest.mark.parametrize("period", ["realtime", "today", "month"])
def test_ranges_of_any_kind_are_filtered(pen: Pen, reader: Reader, period: str) -> None:
    """Minutes are read from events, other ranges from rollups and, at their end, from events."""
    range_ = Range.of(period, timezone="Asia/Kolkata", now=NOW)
    soon = NOW - timedelta(minutes=1)
    pen.write(Sent(at=soon), Sent(name="a", at=soon, properties=[("k", "v")]), Sent(name="b", at=soon))
    for by in (Filter(event="a"), Filter(properties=(("k", "v"),))):
        assert [(kpi.key, kpi.value) for kpi in reader.kpis(pen.site, range_, by)] == [
            *(("visitors", 1), ("events", 1), ("conversion_rate", 100.0)),
        ]
        assert sum(point.value for point in reader.series(pen.site, range_, "events", by).points) == 1


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_any_text_can_filter(pen: Pen, reader: Reader, text: str) -> None:
    """Name, key and value are bound."""
    pen.write(Sent(name=text, properties=[(text, text)]), Sent(name=text), Sent(name=f"{text}x"))
    name, all_ = Filter(event=text), Filter(event=text, properties=((text, text),))
    assert [reader.events(pen.site, DAYS, by=by).rows[0].count for by in (name, all_)] == [2, 1]
    [row] = reader.values(pen.site, DAYS, text, text, details=True, by=all_).rows
    assert (row.value, row.visitors) == (text, 1)
