"""A dashboard's JSON API on goals: exact names, completions, rates, KPIs."""

from conformance.drivers import dashboard_data
from conformance.drivers.demo_site import LAST, new_site, require_equal
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("dashboard/goal-1-api-exact-name")
def test_exact_name(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-1: a goal may have any name, which is kept exactly, including spaces and emoji."""
    with new_site(instruments, evidence, token) as site:
        for name in dashboard_data.GOAL_NAMES:
            site.add_goal(name)
        for name in dashboard_data.GOAL_NAMES:
            site.track(name)
        site.settle()
        site.require("goals", site.goals, dict.fromkeys(dashboard_data.GOAL_NAMES, (1, 100.0)))


@scenarios("dashboard/goal-1-api-deleted")
def test_deleted(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-1: deleting a goal removes it and its conversions, but not the events."""
    with new_site(instruments, evidence, token) as site:
        id_ = site.add_goal("Signup")
        site.add_goal(LAST)
        site.track("Signup", times=2)
        site.settle()
        site.require("goals", site.goals, {"Signup": (2, 200.0), LAST: (1, 100.0)})
        site.delete_goal(id_)
        site.require("goals after", site.goals, {LAST: (1, 100.0)})
        site.require_rows("events after", site.events, [("Signup", 2), (LAST, 1)])


@scenarios("dashboard/goal-2-api-exact", "dashboard/goal-3-api-completions", "dashboard/goal-3-api-rate")
def test_conversions(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-2 and GOAL-3: completions of exact names are conversions; rates are per hundred visitors."""
    with new_site(instruments, evidence, token) as site:
        expected = dashboard_data.send_goals(site)
        site.require("goals", site.goals, expected)


@scenarios("dashboard/goal-3-api-rate-of-range")
def test_rate_of_range(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-3: in a range without events a goal has 0 conversions and a rate of 0."""
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        site.add_goal("Purchase")
        site.track("Purchase")
        site.settle()
        week = dashboard_data.past_week()
        site.require("goals of a past week", lambda: site.goals(**week), {"Purchase": (0, 0.0)})
        site.require("goals of today", lambda: site.goals(period="today"), {"Purchase": (1, 100.0)})


@scenarios("dashboard/goal-4-api-needs-a-goal")
def test_no_goal(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-4: KPIs of conversions appear only if the site has a goal."""
    with new_site(instruments, evidence, token) as site:
        site.track("Purchase")
        site.settle()
        require_equal("KPIs of conversions without a goal", dashboard_data.about_conversions(site.kpis()), [])
        site.add_goal("Purchase")
        site.require(
            "KPIs of conversions with one",
            lambda: dashboard_data.about_conversions(site.kpis()),
            dashboard_data.KPIS_OF_GOALS,
        )


@scenarios("dashboard/goal-4-api-agree")
def test_figures_agree(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """GOAL-4: the KPIs are the totals of all goals."""
    with new_site(instruments, evidence, token) as site:
        site.add_goal("Purchase")
        site.add_goal("Signup")
        dashboard_data.send_two_goals(site)
        site.settle()
        site.require("goals", site.goals, dashboard_data.TWO_GOALS)
        site.require("KPIs", lambda: dashboard_data.of_conversions(site.kpis()), dashboard_data.TOP)
