"""A dashboard's JSON API on known events: names, properties, ranges, currencies."""

import time
from datetime import UTC, datetime
from functools import partial

from conformance.drivers import dashboard_data
from conformance.drivers.demo_site import LAST, new_site
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("dashboard/dash-1-api-totals")
def test_totals(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-1: events are counted, not visitors: three of one visitor count as three."""
    with new_site(instruments, evidence, token) as site:
        site.track("Signup", times=3)
        site.track("Login", visitor=1)
        site.track("Login", visitor=2)
        site.settle()
        site.require_rows("events", site.events, [("Signup", 3), ("Login", 2), (LAST, 1)])


@scenarios("dashboard/dash-1-api-every-name")
def test_every_name(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-1: of more names than a page of results holds, each has exactly one row."""
    with new_site(instruments, evidence, token) as site:
        names = [f"Event {number:03}" for number in range(120)]
        for name in names:
            site.track(name)
        site.settle()
        expected = [(name, 1) for name in (*names, LAST)]
        site.require_rows("events", lambda: site.events(limit=1000), expected)
        parts = [0, 50, 100]
        site.require_rows(
            "events by 50",
            lambda: [row for offset in parts for row in site.events(limit=50, offset=offset)],
            expected,
        )


@scenarios("dashboard/dash-1-api-range")
def test_range(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-1: an event is in every range that includes the present, and in no other."""
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        site.track("Signup", times=2)
        site.settle()
        now = [("Signup", 2), (LAST, 1)]
        for period in ("realtime", "24h", "today", "7d", "14d", "30d", "all"):
            site.require_rows(f"events of {period}", partial(site.events, period=period), now)
        for name, range_, rows in dashboard_data.custom_ranges(datetime.now(UTC).date(), now):
            site.require_rows(f"events of {name}", partial(site.events, **range_), rows)


@scenarios("dashboard/dash-1-api-hostile-names")
def test_hostile_names(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-1: names with markup, quotes or odd characters are returned unchanged."""
    with new_site(instruments, evidence, token) as site:
        for name in dashboard_data.HOSTILE:
            site.track(name)
        site.settle()
        expected = sorted([*((name, 1) for name in dashboard_data.HOSTILE), (LAST, 1)])
        site.require_rows("events", lambda: sorted(site.events()), expected)


@scenarios("dashboard/dash-2-api-values")
def test_values(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-2: each property lists its values, most common first."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_plans(site)
        site.settle()
        site.require("properties", lambda: site.properties("Signup"), dashboard_data.PROPERTIES)
        for property_, rows in dashboard_data.VALUES.items():
            site.require_ranked(f"values of {property_}", partial(site.values, "Signup", property_), rows)


@scenarios("dashboard/dash-2-api-none")
def test_no_properties(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-2: ``has_properties`` is true for an event with properties, and false for one without."""
    with new_site(instruments, evidence, token) as site:
        site.track("Signup", {"plan": "pro"}, times=2)
        site.settle()
        site.require_rows("has_properties", site.has_properties, [("Signup", True), (LAST, False)])
        site.require(f"properties of {LAST}", lambda: site.properties(LAST), [])


@scenarios("dashboard/dash-3-api-new-name")
def test_new_name(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-3: a new name is listed within seconds, without any setup."""
    with new_site(instruments, evidence, token) as site:
        site.require_rows("events before", site.events, [])
        began = time.monotonic()
        site.track("Quite new")
        site.require_new("events", site.events, [("Quite new", 1)], began)


@scenarios("dashboard/dash-4-api-case")
def test_case(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """DASH-4: Purchase, purchase and PURCHASE are three events, each with its own count."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_cases(site)
        site.settle()
        site.require_rows("events", site.events, dashboard_data.CASES)


@scenarios("dashboard/quota-1-api-counts-alike")
def test_usage(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """QUOTA-1: three pageviews and three custom events count as six, whatever their properties."""
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        dashboard_data.send_three_of_each(site)
        site.settle()
        site.require("usage: pageviews, custom events, both", site.usage, (3, 3, 6))


@scenarios("dashboard/rev-9-api-two-currencies")
def test_currencies(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """REV-9: revenue in three currencies is listed as three amounts."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_money(site)
        site.settle()
        site.require("revenue", lambda: dashboard_data.amounts(site), dashboard_data.MONEY)


@scenarios(
    "dashboard/lint-1-api-names-alike", "dashboard/lint-2-api-variants", "dashboard/lint-3-api-many-values"
)
def test_advice(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """LINT-1 to LINT-3, open: the advice given about such events is recorded."""
    dashboard_data.require_advice(instruments, evidence, token)
