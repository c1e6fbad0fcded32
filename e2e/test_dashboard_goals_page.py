"""A dashboard's page on goals, in a browser: the form, the Goals tab, the KPI cards."""

from conformance.drivers import dashboard_data
from conformance.drivers.dashboard_page import DashboardPage, open_page
from conformance.drivers.demo_site import LAST, new_site, require_equal
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("dashboard/goal-1-page-form")
def test_form(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-1: Settings → Goals keeps the exact name of a goal whose event was never sent."""
    with new_site(instruments, evidence, token) as site:
        page = DashboardPage(site, instruments.shared_tab(engine))
        names = [" Achat 🎉 réussi ", "achat 🎉 réussi"]
        for number, name in enumerate(names, start=1):
            page.open_goals()
            page.create_goal(name)
            page.until_goals(names[:number])
            require_equal("goals in the settings", sorted(page.goal_names()), sorted(names[:number]))
        for name in (*names, names[0].strip()):
            site.track(name)
        site.settle()
        page.open("Goals")
        site.require("the Goals tab", page.goals, dict.fromkeys(names, (1, 100.0)))


@scenarios("dashboard/goal-1-page-deleted")
def test_deleted(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-1: a goal deleted in the settings disappears there and from the Goals tab."""
    with new_site(instruments, evidence, token) as site:
        for name in ("Signup", LAST):
            site.add_goal(name)
        site.track("Signup")
        site.settle()
        page = DashboardPage(site, instruments.shared_tab(engine))
        page.open_goals()
        page.delete_goal("Signup")
        page.until_goals([LAST])
        require_equal("goals in the settings", page.goal_names(), [LAST])
        page.open("Goals")
        site.require("the Goals tab", page.goals, {LAST: (1, 100.0)})


@scenarios("dashboard/goal-1-page-hostile-names")
def test_hostile_names(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-1: goal names with markup or odd characters are shown as text and run nothing."""
    with new_site(instruments, evidence, token) as site:
        for name in dashboard_data.HOSTILE:
            site.add_goal(name)
            site.track(name)
        page = open_page(site, instruments.shared_tab(engine), "Goals")
        site.require("the Goals tab", page.goals, dict.fromkeys(dashboard_data.HOSTILE, (1, 100.0)))
        page.require_harmless()
        page.open_goals()
        require_equal("goals in the settings", sorted(page.goal_names()), sorted(dashboard_data.HOSTILE))
        page.require_harmless()


@scenarios("dashboard/goal-2-page-exact", "dashboard/goal-3-page-completions", "dashboard/goal-3-page-rate")
def test_conversions(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-2 and GOAL-3: the Goals tab shows completions of exact names, and rates of all visitors."""
    with new_site(instruments, evidence, token) as site:
        expected = dashboard_data.send_goals(site)
        page = DashboardPage(site, instruments.shared_tab(engine))
        page.open("Goals")
        site.require("the Goals tab", page.goals, expected)


@scenarios("dashboard/goal-4-page-needs-a-goal")
def test_no_goal(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-4: the cards of conversions appear only if the site has a goal."""
    with new_site(instruments, evidence, token) as site:
        site.track("Purchase")
        page = open_page(site, instruments.shared_tab(engine))
        site.require("cards without a goal", lambda: dashboard_data.about_conversions(page.kpis()), [])
        site.add_goal("Purchase")
        page.open()
        site.require(
            "cards with one",
            lambda: dashboard_data.about_conversions(page.kpis()),
            dashboard_data.KPIS_OF_GOALS,
        )


@scenarios("dashboard/goal-4-page-agree")
def test_figures_agree(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOAL-4: the KPI cards show the totals of the Goals tab."""
    with new_site(instruments, evidence, token) as site:
        site.add_goal("Purchase")
        site.add_goal("Signup")
        dashboard_data.send_two_goals(site)
        page = open_page(site, instruments.shared_tab(engine), "Goals")
        site.require("the Goals tab", page.goals, dashboard_data.TWO_GOALS)
        site.require("cards", lambda: dashboard_data.of_conversions(page.kpis()), dashboard_data.TOP)
