"""Looking closer: events, goals and values filter the page, as chips and in the address."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.test_events import counts

HOSTILE = "<img src=x onerror=hacked=1>\"'&=+%#\u202e \r\n"


def figure(page: Page, key: str) -> Any:
    """Return the locator of a KPI's card with a figure."""
    return page.locator(f"[data-kpi={key}] [data-value]")


@pytest.fixture
def shop(server: Any, site: str) -> str:
    """A site with one event twice, a hostile one, and a goal."""
    server.send(site, None)
    for plan, place, amount in (("pro", "top", 10), ("pro", "end", 5.5), ("free", "top", None)):
        revenue = {} if amount is None else {"ra": amount, "rc": "EUR"}
        server.send(site, "Purchase", mk=["plan", "place", "shop"], mv=[plan, place, "main"], **revenue)
    server.send(site, HOSTILE, mk=[HOSTILE, "plan"], mv=[HOSTILE, "pro"])
    server.http.post(f"/api/sites/{site}/goals", json={"type": "custom_event", "event_name": "Purchase"})
    server.settle()
    return site


def test_rows_filter_and_chips_undo_it(shop: str, open_page: Any) -> None:
    """An event, then a value: the cards, the chart and the list follow; reload, Back and chips work."""
    page = open_page(f"/{shop}?tab=events&metric=pageviews")
    page.locator("[data-event=Purchase] > .row").click()
    expect(page.locator("[data-chip=Event]")).to_have_attribute("data-chip-value", "Purchase")
    expect(page.locator("[data-event]")).to_have_count(1)
    expect(page.locator("#chart-title")).to_have_text("Events")
    expect(figure(page, "events")).to_have_attribute("data-value", "3")
    assert page.locator("[data-kpi=pageviews]").count() == 0
    expect(page.locator("[data-earned=EUR] data").first).to_have_text("€15.50")
    # The properties of the event are open already.
    page.locator("[data-property=plan] .name").click()
    page.locator("[data-property-value=pro]").click()
    expect(figure(page, "events")).to_have_attribute("data-value", "2")
    expect(page.locator("[data-chip]")).to_have_count(2)
    expect(page.locator("[data-property-value]")).to_have_count(1)
    page.reload()
    expect(figure(page, "events")).to_have_attribute("data-value", "2")
    expect(page.locator("[data-property-value=pro]")).to_be_visible()
    page.go_back()
    expect(page.locator("[data-chip]")).to_have_count(1)
    page.go_forward()
    expect(page.locator("[data-chip]")).to_have_count(2)
    # Without its event the value still filters, now events of every name.
    page.get_by_role("link", name="Remove the filter Event Purchase").click()
    expect(page.locator("[data-event]")).to_have_count(2)
    page.get_by_role("link", name="Remove all").click()
    expect(page.locator("[data-chip]")).to_have_count(0)
    expect(page.locator("[data-kpi=pageviews]")).to_be_visible()


def test_a_filter_chosen_before_rows_are_renewed_stays(shop: str, open_page: Any) -> None:
    """Rows still link to the page without the first value when a second one is clicked."""
    page = open_page(f"/{shop}?tab=events&event=Purchase")
    page.locator("[data-event=Purchase] button.arrow").first.click()
    page.locator("[data-property=plan] button.arrow").click()
    expect(page.locator("[data-property-value=pro]")).to_be_visible()
    page.route("**/events/**", lambda _: None)  # The lists are not answered any more.
    page.locator("[data-property-value=pro]").click()
    expect(page.locator("[data-chip]")).to_have_count(2)
    page.locator("[data-property=shop] [data-only]").click()
    expect(page.locator("[data-chip]")).to_have_count(3)
    chips = page.locator("[data-chip]").evaluate_all("all => all.map(each => each.dataset.chipValue)")
    assert chips == ["Purchase", "pro", "main"]


def test_the_keyboard_looks_closer_too(shop: str, open_page: Any) -> None:
    """A goal by Enter on its row; shortcuts are listed, switch tabs and ranges, and remove filters."""
    page = open_page(f"/{shop}")
    page.get_by_role("link", name="Look closer at Purchase").first.press("Enter")
    expect(page.locator("[data-chip=Event]")).to_be_visible()
    expect(figure(page, "events")).to_have_attribute("data-value", "3")
    page.locator("main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Remove all filters")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator("[data-chip]")).to_have_count(0)
    page.keyboard.press("e")
    expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    page.keyboard.press("t")
    expect(page.get_by_label("Date range")).to_have_value("today")
    page.locator("[data-show-keys]").click()
    page.get_by_label("Shortcuts are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("a")
    page.keyboard.press("?")  # Always opens the list; had `a` done something, it would have come first.
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_label("Date range")).to_have_value("today")


def test_hostile_text_filters_as_itself(shop: str, open_page: Any) -> None:
    """Markup, direction marks and separators of addresses stay text in rows, chips and addresses."""
    page = open_page(f"/{shop}?tab=events")
    name = next(name for name in counts(page, "data-event") if name != "Purchase")
    assert name == HOSTILE
    page.locator("[data-event]:not([data-event=Purchase]) > .row > .pick").press("Enter")
    expect(page.locator("[data-chip]")).to_have_count(1)
    expect(page.locator("[data-event]")).to_have_count(1)
    # The only value of a property is in its row, and filters as well.
    only = page.locator("[data-property]:not([data-property=plan]) [data-only]")
    assert only.get_attribute("data-only") == HOSTILE
    only.click()
    expect(page.locator("[data-chip]")).to_have_count(2)
    expect(figure(page, "events")).to_have_attribute("data-value", "1")
    page.reload()
    expect(figure(page, "events")).to_have_attribute("data-value", "1")
    assert (
        page.locator("[data-chip]").evaluate_all("all => all.map(e => e.dataset.chipValue)") == [HOSTILE] * 2
    )
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0


def test_values_have_share_visitors_and_revenue(shop: str, open_page: Any) -> None:
    """Of three purchases two are pro, by one visitor, for 15.50 EUR."""
    page = open_page(f"/{shop}?tab=events&event=Purchase")
    page.locator("[data-event=Purchase] button.arrow").first.click()
    page.locator("[data-property=plan] button.arrow").click()
    pro = page.locator("[data-property-value=pro]")
    expect(pro.locator("[data-share]")).to_contain_text("66.7%")
    expect(pro.locator("[data-visitors]")).to_have_attribute("data-visitors", "1")
    expect(pro.locator("[data-revenue=EUR]")).to_have_text("€15.50")
    expect(page.locator("[data-property=shop] [data-only]")).to_have_text("main")


def test_goals_have_revenue_averages_and_a_chart(shop: str, open_page: Any) -> None:
    """Of the two purchases with an amount, the average is 7.75 EUR."""
    page = open_page(f"/{shop}?tab=goals")
    goal = page.locator("#panel-goals [data-goal=Purchase]")
    expect(goal.locator("[data-revenue=EUR]")).to_have_text("€15.50")
    expect(goal.locator("[data-average=EUR]")).to_have_text("€7.75")
    points = goal.locator(".spark polyline").get_attribute("points") or ""
    # 30 days, of which only the last has conversions.
    heights = [point.split(",")[1] for point in points.split()]
    assert (len(heights), set(heights[:-1]), heights[-1]) == (30, {"24.0"}, "2.0")
