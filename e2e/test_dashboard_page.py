"""A dashboard's page on known events, in a browser: names, values, ranges, currencies."""

import re
import time

from conformance.drivers import dashboard_data
from conformance.drivers.dashboard_page import DashboardPage, open_page
from conformance.drivers.demo_site import LAST, new_site, require_equal
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import Violation


@scenarios("dashboard/dash-1-page-totals")
def test_totals(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-1: the Events tab has a row for each name, which shows the name and its total."""
    with new_site(instruments, evidence, token) as site:
        site.track("Signup", times=12)
        site.track("Login", visitor=1)
        site.track("Login", visitor=2)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, [("Signup", 12), ("Login", 2), (LAST, 1)])
        text = page.texts()["Signup"]
        if not re.search(r"Signup[\s\S]*\b12\b", text):
            raise Violation(f"expected the row of Signup to show 12, got {text!r}")


@scenarios("dashboard/dash-1-page-every-name")
def test_every_name(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-1: each of 50 names has a row."""
    with new_site(instruments, evidence, token) as site:
        names = [f"Event {number:02}" for number in range(50)]
        for name in names:
            site.track(name)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, [(name, 1) for name in (*names, LAST)])


@scenarios("dashboard/dash-1-page-range")
def test_range(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-1: an event of the present is on today's page, and not on that of a past week."""
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        site.track("Signup", times=2)
        page = open_page(site, instruments.shared_tab(engine), **dashboard_data.past_week())
        site.require_rows("the Events tab of a past week", page.events, [])
        page.open(period="today")
        site.require_rows("the Events tab of today", page.events, [("Signup", 2), (LAST, 1)])


@scenarios("dashboard/dash-1-page-hostile-names")
def test_hostile_names(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-1: names with markup, quotes or odd characters are shown as text and run nothing."""
    with new_site(instruments, evidence, token) as site:
        for name in dashboard_data.HOSTILE:
            site.track(name, {name: name})
        page = open_page(site, instruments.shared_tab(engine))
        expected = sorted([*((name, 1) for name in dashboard_data.HOSTILE), (LAST, 1)])
        site.require_rows("the Events tab", lambda: sorted(page.events()), expected)
        for name, text in page.texts().items():
            page.require_text(name, text)
        page.require_harmless()


@scenarios("dashboard/dash-2-page-values")
def test_values(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-2: a row expands to its properties, and a property to its values, most common first."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_plans(site)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, [("Signup", 7), (LAST, 1)])
        require_equal("properties before the row is opened", page.properties(), [])
        page.unfold('[data-event="Signup"]')
        site.require("properties of Signup", page.properties, dashboard_data.PROPERTIES)
        require_equal("values before a property is opened", page.values(), [])
        page.unfold('[data-property="plan"]')
        site.require_ranked("values of plan", page.values, dashboard_data.VALUES["plan"])


@scenarios("dashboard/dash-2-page-hostile-values")
def test_hostile_values(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-2: properties and values with markup are shown as text and run nothing."""
    with new_site(instruments, evidence, token) as site:
        for value in dashboard_data.HOSTILE:
            site.track("Signup", {"plan": value})
        site.track("Signup", {dashboard_data.HOSTILE[0]: "pro"})
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, [("Signup", 8), (LAST, 1)])
        page.unfold('[data-event="Signup"]')
        site.require("properties", page.properties, sorted([("plan", 7), (dashboard_data.HOSTILE[0], 1)]))
        page.unfold('[data-property="plan"]')
        site.require("values", lambda: sorted(page.values()), sorted((v, 1) for v in dashboard_data.HOSTILE))
        page.require_harmless()


@scenarios("dashboard/dash-2-page-arrow")
def test_arrow(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-2: an event has an arrow if it has properties, and only then."""
    with new_site(instruments, evidence, token) as site:
        site.track("Signup", {"plan": "pro"}, times=2)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("arrows", page.arrows, [("Signup", 1), (LAST, 0)])


@scenarios("dashboard/dash-3-page-new-name")
def test_new_name(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-3: a new name and a new count appear on an open page by themselves within seconds."""
    with new_site(instruments, evidence, token) as site:
        page = DashboardPage(site, instruments.shared_tab(engine))
        began = time.monotonic()
        page.open()
        opening = time.monotonic() - began
        site.require_rows("the Events tab before", page.events, [])
        # The first name may come with the load of the tab's content; the second needs a live update.
        for names in (["One"], ["One", "Two"]):
            began = time.monotonic()
            site.track(names[-1])
            shown = [(name, 1) for name in names]
            site.require_new("the Events tab", page.events, shown, began, opening=opening)


@scenarios("dashboard/dash-4-page-case")
def test_case(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-4: Purchase, purchase and PURCHASE are three rows, each with its own count."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_cases(site)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, dashboard_data.CASES)


@scenarios("dashboard/quota-1-page-counts-alike")
def test_usage(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """QUOTA-1: the page shows a usage of six for three pageviews and three custom events."""
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        dashboard_data.send_three_of_each(site)
        page = open_page(site, instruments.shared_tab(engine))
        site.require("usage", page.usage, [6])


@scenarios("dashboard/rev-9-page-two-currencies")
def test_currencies(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """REV-9: the page shows three currencies as three amounts, and copes with an unassigned code."""
    with new_site(instruments, evidence, token) as site:
        dashboard_data.send_money(site)
        page = open_page(site, instruments.shared_tab(engine))
        site.require_rows("the Events tab", page.events, [("Purchase", 4), (LAST, 1)])
        site.require("revenue", lambda: dashboard_data.digits(page.revenue()), dashboard_data.MONEY_DIGITS)
        require_equal("sums over currencies in the row", dashboard_data.sums(page.texts()["Purchase"]), [])
