"""Settings → Goals and their effect on the dashboard (GOAL-1 to GOAL-4), and the site's time zone."""

from typing import Any

import httpx
from playwright.sync_api import Page, expect


def create(page: Page, name: str) -> None:
    """Fill in and submit the form."""
    page.get_by_label("Goal type").select_option(label="Custom Event")
    page.get_by_label("Event name").fill(name)
    page.get_by_role("button", name="Create goal").click()


def test_a_goal_is_created_counted_and_deleted(server: Any, site: str, open_page: Any) -> None:
    """The first goal adds the conversion KPIs; names match exactly; the rate is relative to all visitors."""
    for name in (None, "Purchase", "Purchase", "purchase", "Purchase "):
        server.send(site, name)
    server.settle()
    page = open_page(f"/{site}/settings/goals")
    options = page.locator("#names option").evaluate_all("all => all.map(o => o.value)")
    assert sorted(options) == ["Purchase", "Purchase ", "purchase"]
    create(page, "Purchase")
    expect(page.locator("[data-goal='Purchase']")).to_be_visible()
    page.goto(f"/{site}")
    keys = page.locator("[data-kpi]").evaluate_all("all => all.map(k => k.dataset.kpi)")
    assert keys == [
        *("visitors", "pageviews", "views_per_visit", "bounce_rate", "events"),
        *("conversions", "conversion_rate", "duration"),
    ]
    assert page.locator("[data-kpi=conversions] [data-value]").get_attribute("data-value") == "2"
    goal = page.locator("#panel-goals [data-goal='Purchase']")
    assert goal.get_attribute("data-conversions") == "2"
    assert float(goal.get_attribute("data-rate") or 0) == 200.0, "two completions, one visitor"
    assert goal.locator("[data-converters]").get_attribute("data-converters") == "1"
    card = page.locator("[data-kpi=conversion_rate] [data-converters]")
    assert card.inner_text() == "1 visitor converted"
    page.goto(f"/{site}/settings/goals")
    page.get_by_role("button", name="Delete Purchase").click()
    expect(page.get_by_role("status").first).to_have_text("The goal is deleted.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-goal='Purchase']")).to_be_visible()
    page.get_by_role("button", name="Delete Purchase").click()
    page.goto(f"/{site}")
    assert page.locator("[data-kpi=conversions]").count() == 0


def test_names_are_taken_exactly(site: str, open_page: Any) -> None:
    """Spaces and case make another goal; a repeated name is an error and stays in the field."""
    page = open_page(f"/{site}/settings/goals")
    markup = "<img src=x onerror=alert(1)>"
    for name in ("Sign up", "sign up", " Sign up ", markup):
        create(page, name)
    create(page, "Sign up")
    expect(page.locator("#event-hint")).to_have_text("There is a goal for this event already.")
    assert page.get_by_label("Event name").input_value() == "Sign up"
    expect(page.get_by_role("link", name="Settings")).to_have_attribute("aria-current", "page")
    page.get_by_label("Event name").fill("Sing up")
    expect(page.locator("[data-unknown]")).to_contain_text("No event of exactly this name")
    names = page.locator("[data-goal]").evaluate_all("all => all.map(g => g.dataset.goal)")
    assert names == ["Sign up", "sign up", " Sign up ", markup]
    assert page.locator("main img").count() == 0
    expect(page.locator("[data-goal='Sign up'] .badge")).to_have_text("never sent")


def test_days_follow_the_time_zone(site: str, open_page: Any) -> None:
    """The time zone is chosen by its name; an unknown one is an error."""
    page = open_page(f"/{site}/settings/goals")
    page.get_by_label("Days begin and end in").fill("Mars/Olympus")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#zone-hint")).to_contain_text("Mars/Olympus")
    page.get_by_label("Days begin and end in").fill("Europe/Berlin")
    page.get_by_role("button", name="Save").click()
    page.goto(f"/{site}")
    expect(page.locator("[data-days]")).to_contain_text("Europe/Berlin")


def test_a_form_of_another_site_changes_nothing(server: Any, site: str) -> None:
    """A foreign page cannot create goals here."""
    answer = server.http.post(
        f"/{site}/settings/goals", data={"event_name": "Evil"}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert server.http.get(f"/api/sites/{site}/goals").json()["goals"] == []
