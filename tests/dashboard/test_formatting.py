"""Formatting of figures."""

import html
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reference_server.analytics.ranges import Range
from reference_server.analytics.results import Point, Series
from reference_server.text import plain as plain_text
from reference_server.web.dashboard import formatting, markup


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("visitors", 12345, "12,345"),
        ("views_per_visit", 2, "2.0"),
        ("bounce_rate", 41.25, "41.2%"),
        ("conversion_rate", 100.0, "100%"),
        ("conversion_rate", 0.01, "<0.1%"),
        ("conversion_rate", 0.0, "0%"),
        ("duration", 14.4, "14s"),
        ("duration", 134, "2m 14s"),
        ("duration", 7500, "2h 5m"),
        ("duration", None, "–"),
    ],
)
def test_figures_have_their_unit(key: str, value: float | None, text: str) -> None:
    """Each KPI has its own unit."""
    assert formatting.kpi(key, value) == text


@pytest.mark.parametrize(
    ("value", "text", "plain"),
    [
        ("1234.5", "1,234.50", "1234.5"),
        ("49.990000000", "49.99", "49.99"),
        ("0.1234", "0.1234", "0.1234"),
        ("5000", "5,000", "5000"),
        ("-5.00", "-5", "-5"),
        ("100000000000000000000", "100,000,000,000,000,000,000", "100000000000000000000"),
    ],
)
def test_amounts_keep_their_digits(value: str, text: str, plain: str) -> None:
    """No digit of an amount is lost or added."""
    assert (formatting.amount(Decimal(value)), plain_text(Decimal(value))) == (text, plain)


def test_less_bounce_is_good() -> None:
    """A lower bounce rate is good; a decrease of any other KPI is not."""
    assert [
        formatting.trend(*pair) for pair in (("bounce_rate", -3), ("visitors", -3), ("visitors", None))
    ] == [
        "good",
        "bad",
        "even",
    ]


def test_the_days_of_a_range_are_local() -> None:
    """A range is written in days of the site's time zone, both included."""
    now = datetime(2026, 11, 27, 23, 30, tzinfo=UTC)
    berlin = Range.of("7d", timezone="Europe/Berlin", now=now)
    assert formatting.days(berlin) == "22 Nov 2026 – 28 Nov 2026, Europe/Berlin"
    assert formatting.days(Range.of("today", timezone="UTC", now=now)) == "27 Nov 2026, UTC"


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Signup", []),
        ("Sign up", []),
        ("Sign\u200bup", ["U+200B"]),
        ("Signup\u202e", ["U+202E"]),
        ("Signup ", ["␣"]),
        ("Sign\nup", ["↵"]),
        ("Sign\u00a0up", ["U+00A0"]),
        ("a  b", ["␣", "␣"]),
        ("\ufeff", ["U+FEFF"]),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", []),
        ("a\u200db", ["U+200D"]),
        ("می\u200cخواهم", []),
    ],
)
def test_invisible_characters_are_marked(text: str, marks: list[str]) -> None:
    """Characters that draw nothing are named; joiners of emoji and of Persian belong to their script."""
    shown = str(markup.visible(text))
    assert re.findall(r'data-mark="([^"]*)"', shown) == marks
    assert html.unescape(re.sub("<[^>]*>", "", shown)) == text, "copied text is exact"


def test_a_running_series_ends_now() -> None:
    """Steps that have not begun are apart; the last that has is running, unless the range has ended."""
    now = datetime(2026, 11, 27, 8, 20, tzinfo=UTC)
    for period, begun, later, running in (("today", 9, 15, True), ("yesterday", 24, 0, False)):
        range_ = Range.of(period, timezone="UTC", now=now)
        points = tuple(Point(time=time, value=0) for time in range_.points())
        found = formatting.steps(Series(metric="events", interval="hour", points=points), None, range_)
        assert (len(found.begun), len(found.later), found.running) == (begun, later, running)


def test_the_comparison_is_in_words() -> None:
    """A running range says until when it is compared."""
    now = datetime(2026, 11, 27, 8, 20, tzinfo=UTC)
    found = {
        period: formatting.comparison(Range.of(period, timezone="UTC", now=now))
        for period in ("today", "yesterday", "7d", "realtime", "all")
    }
    assert found == {
        "today": "compared with 26 Nov 2026 until 08:20",
        "yesterday": "compared with 25 Nov 2026",
        "7d": "compared with 14 Nov 2026 – 20 Nov 2026 until 08:20",
        "realtime": "compared with 07:20 – 07:50",
        "all": "",
    }


def test_text_of_visitors_is_never_markup() -> None:
    """Markup is escaped, a bare CR kept, direction isolated, empty text named, and long text folded."""
    assert markup.exact('"><b>\r') == "&#34;&gt;&lt;b&gt;&#13;"
    assert markup.visible("<b>") == '<bdi class="sent">&lt;b&gt;</bdi>'
    assert "(empty)" in markup.visible("")
    assert "(spaces only)" in markup.visible(" \n")
    assert markup.visible("<" * 2000).count("&lt;") == 160 + 2000
