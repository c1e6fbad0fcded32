"""Events of the dashboard lane and the figures that the documentation requires, written by hand."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from conformance.drivers.demo_site import LAST, Site, new_site
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.amounts import plain
from conformance.protocol.outcomes import NotTestable, Violation

HOSTILE = (
    '<img src=x onerror="window.hacked = 1">',
    "</li></ul><script>window.hacked = 1</script>",
    "\"' onmouseover='window.hacked = 1' x=\"",
    "{{ 7 * 7 }} ${7 * 7} %s &lt;b&gt; &#39;",
    "\u202egnp.exe\u202c \u05e2\u05d1\u05e8\u05d9\u05ea",
    "Zahlung 🎉 完了",
    "long " * 400,
)
"""Event names and values that a page must show as text; the last has 2,000 characters."""

PROPERTIES = [("plan", 7), ("source", 2)]
VALUES = {
    "plan": [("pro", 3), ("basic", 2), ("zero", 1), ("Älter", 1)],
    "source": [("ad", 1), ("mail", 1)],
}
"""Properties, and their values with counts, of ``send_plans``: the order expected is not the order sent."""

CASES = [("purchase", 3), ("PURCHASE", 2), ("Purchase", 1), (LAST, 1)]
"""Counts of ``send_cases`` and of the last event, by count, ties by name."""

MONEY = {"Purchase": {"EUR": "60.5", "JPY": "5000", "ZZZ": "7"}, LAST: {}}
"""Revenue of ``send_money`` by event and currency; ZZZ is unassigned but well-formed."""

MONEY_DIGITS = {"Purchase": {"EUR": "6050", "JPY": "5000", "ZZZ": "7"}, LAST: {}}
"""The same amounts as ``digits`` returns them, whatever format the page uses."""

_SUMS = {"6750", "5007", "506050", "5060", "5061", "506750", "5067", "5068"}

GOAL_NAMES = (" Sign up ", "Sign up", "sign up", "Achat 🎉 réussi", "Signup")
"""Names of distinct goals: none may be trimmed or case-folded."""

TWO_GOALS = {"Purchase": (1, 25.0), "Signup": (2, 50.0)}
TOP = {"visitors": 4, "conversions": 3, "conversion_rate": 75.0}
"""KPIs of ``send_two_goals``: three conversions, with four visitors."""

KPIS_OF_GOALS = ["conversion_rate", "conversions"]
"""Keys of the KPIs that goals feed; a dashboard may have others."""

_ADVICE: dict[str, list[dict[str, Any]]] = {
    "LINT-1": [{"name": "Sign up"}, {"name": "sign up"}, {"name": "SignUp"}],
    "LINT-2": [{"name": f"Signup {plan}"} for plan in ("Free", "Pro", "Team")],
    "LINT-3": [{"name": "Open", "properties": {"user": f"user{n}@example.com"}} for n in range(60)],
}
_ABOUT = {
    "LINT-1": {"Sign up", "sign up", "SignUp"},
    "LINT-2": {"Signup Free", "Signup Pro", "Signup Team"},
    "LINT-3": {"Open", "user"},
}


def send_plans(site: Site) -> None:
    """Send events with properties; the least common values come first and last."""
    plans = ("zero", "pro", "basic", "pro", "basic", "pro", "Älter")
    for number, plan in enumerate(plans):
        source = {0: {"source": "mail"}, 6: {"source": "ad"}}.get(number, {})
        site.track("Signup", {**source, "plan": plan})


def send_cases(site: Site) -> None:
    """Send names that differ only in case."""
    for name, times in (("Purchase", 1), ("PURCHASE", 2), ("purchase", 3)):
        site.track(name, times=times)


def send_three_of_each(site: Site) -> None:
    """Send three pageviews and two custom events of two visitors; the last event makes three."""
    site.view(times=2)
    site.view(visitor=2)
    site.track("Signup", {f"key {number}": "value" for number in range(30)}, revenue=(49.99, "EUR"))
    site.track("Signup", visitor=2)


def send_money(site: Site) -> None:
    """Send revenue of one event name in three currencies."""
    for amount, currency in ((49.99, "EUR"), (5000, "JPY"), (7, "ZZZ"), (10.51, "EUR")):
        site.track("Purchase", revenue=(amount, currency))


def _send_near_misses(site: Site) -> None:
    """Send a goal's event twice, and events with almost the same name."""
    for name in ("purchase", "PURCHASE", "Purchase ", " Purchase", "Purchase now", "Purchas", "My Purchase"):
        site.track(name)
    site.track("Purchase", times=2)


def _send_completions(site: Site) -> None:
    """Send three completions by two visitors."""
    site.track("Purchase", times=2)
    site.track("Purchase", visitor=2)


def _send_lookers(site: Site) -> None:
    """Send a completion by one visitor, pageviews of two more, and another event of a fourth."""
    site.track("Purchase")
    site.view(visitor=2)
    site.view(visitor=3, times=2)
    site.track("Signup", visitor=4)


def send_two_goals(site: Site) -> None:
    """Send completions of two goals by two of four visitors."""
    site.track("Purchase")
    site.track("Signup")
    site.track("Signup", visitor=2)
    site.view(visitor=3)
    site.view(visitor=4, times=3)
    site.track("Something else", visitor=4)
    site.track("purchase", visitor=4)


GOALS: dict[str, tuple[Callable[[Site], None], dict[str, tuple[int, float]]]] = {
    "exact": (_send_near_misses, {"Purchase": (2, 200.0), "never sent": (0, 0.0)}),
    "completions": (_send_completions, {"Purchase": (3, 150.0)}),
    "rate": (_send_lookers, {"Purchase": (1, 25.0)}),
}
"""Events by the last word of their cases, and the conversions and rate (in percent) of each goal."""


def send_goals(site: Site) -> dict[str, tuple[int, float]]:
    """Create the goals of the case and send its events; return the conversions and rates expected."""
    send, expected = GOALS[site.evidence.case.id.rpartition("-")[2]]
    for name in expected:
        site.add_goal(name)
    send(site)
    site.settle()
    return expected


def about_conversions(kpis: Iterable[str]) -> list[str]:
    """Return the keys of the KPIs about conversions, sorted."""
    return sorted(key for key in kpis if key in KPIS_OF_GOALS)


def of_conversions(kpis: dict[str, float]) -> dict[str, float]:
    """Return the KPIs about conversions and visitors."""
    return {key: value for key, value in kpis.items() if key in TOP}


def past_week() -> dict[str, str]:
    """Return the query of a week in which nothing was sent."""
    _, range_, _ = next(custom_ranges(datetime.now(UTC).date(), []))
    return range_


def amounts(site: Site) -> dict[str, dict[str, str]]:
    """Return the revenue from the API by event and currency, without trailing zeros."""
    return {name: {code: _plain(amount) for code, amount in rows} for name, rows in site.revenue()}


def digits(revenue: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the digits of a page's amounts by event and currency: 7.00 becomes 7, and 60.5 becomes 6050."""
    return {name: {code: _digits(text) for code, text in by.items()} for name, by in revenue.items()}


def sums(text: str) -> list[str]:
    """Return the numbers in a row of ``send_money`` that add up currencies, rounded or not."""
    return [number for number in re.findall(r"\d[\d.,]*", text) if _digits(number) in _SUMS]


def custom_ranges(today: date, now: list[tuple[str, int]]) -> Iterator[tuple[str, dict[str, str], Any]]:
    """Yield (name, query, expected rows) of date ranges around ``today``, valid in every time zone."""
    days: dict[str, tuple[int, int, list[tuple[str, int]]]] = {
        "a past week": (-14, -8, []),
        "days to come": (8, 14, []),
        "the days around this one": (-1, 1, now),
    }
    for name, (first, last, rows) in days.items():
        from_, to = (str(today + timedelta(days=days_)) for days_ in (first, last))
        yield name, {"period": "custom", "from": from_, "to": to}, rows


def require_advice(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """Send the events that a LINT rule is about and require advice on them. Raises Violation."""
    rule = evidence.case.requirement
    with new_site(instruments, evidence, token) as site:
        for event in _ADVICE[rule]:
            site.track(event["name"], event.get("properties"))
        site.settle()
        site.require(f"names in advice of {rule}", lambda: set(site.advice().get(rule, ())), _ABOUT[rule])
    evidence.notes += ("advises",)


@contextmanager
def same_day() -> Iterator[None]:
    """Turn a Violation into NotTestable if a new UTC day, and perhaps month, began during the block."""
    day = datetime.now(UTC).date()
    try:
        yield
    except Violation as error:
        if datetime.now(UTC).date() == day:
            raise
        raise NotTestable("a new UTC day began between sending and reading: run the case again") from error


def _plain(amount: str) -> str:
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return amount
    return plain(number)


def _digits(text: str) -> str:
    number = re.sub(r"[^\d.,]", "", text)
    cents = re.search(r"[.,](\d\d?)$", number)
    fraction = cents[1].ljust(2, "0") if cents else "00"
    whole = re.sub(r"\D", "", number[: cents.start()] if cents else number)
    return whole if fraction == "00" else whole + fraction
