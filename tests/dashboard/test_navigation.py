"""Addresses: steps of the history, reloads, rows as targets, and the sign of loading."""

import re
from typing import Any

from clickhouse_connect.driver.client import Client
from playwright.sync_api import Route, expect

from tests.dashboard.storing import store_query


def test_back_and_reload_keep_what_was_seen(server: Any, site: str, open_page: Any) -> None:
    """Range and tab are steps of the history; search and open rows survive a reload and a visit elsewhere."""
    for number in range(12):
        server.send(site, f"Event {number}", mk=["plan"], mv=["pro"])
    server.send(site, "Event 11", mk=["plan"], mv=["free"])
    server.settle()
    page = open_page(f"/{site}?tab=goals")
    page.get_by_role("tab", name="Events").click()
    page.get_by_label("Date range").select_option(label="Yesterday")
    expect(page.locator("[data-event]")).to_have_count(0)
    page.go_back()
    expect(page.locator("[data-event]")).to_have_count(12)
    expect(page.get_by_label("Date range")).to_have_value("30d")
    page.go_back()
    expect(page.get_by_role("tabpanel", name="Goals")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    page.get_by_label("Search events").fill("event 1")
    expect(page.locator("[data-event]")).to_have_count(3)
    page.locator("[data-event='Event 11'] button.arrow").click()
    # The whole row of a property is the target, not its arrow alone.
    page.locator("[data-event='Event 11'] [data-property=plan] .name").click()
    value = page.locator("[data-event='Event 11'] [data-property-value=pro]")
    value.wait_for()
    page.reload()
    expect(value).to_be_visible()
    expect(page.get_by_label("Search events")).to_have_value("event 1")
    assert page.locator("[data-event]").count() == 3
    page.get_by_role("link", name="Settings").click()
    page.go_back()
    expect(value).to_be_visible()


def test_figures_of_another_range_look_like_waiting(server: Any, site: str, open_page: Any) -> None:
    """Until the new figures arrive, the old ones are dimmed and announced as busy."""
    server.send(site, "Signup")
    server.settle()
    page = open_page(f"/{site}")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def figures(url: str) -> bool:
        return "period=yesterday" in url and "part=" in url

    page.route(figures, hold)
    with page.expect_request(lambda request: figures(request.url)):
        page.get_by_label("Date range").select_option(label="Yesterday")
    expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".kpis")).to_have_css("opacity", "0.5")
    expect(page.locator("[data-event=Signup]")).to_be_visible()
    held[0].continue_()
    expect(page.locator("[data-event]")).to_have_count(0)
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")


def test_many_visitors_are_shown_as_approximate(client: Client, site: str, open_page: Any) -> None:
    """Above 1,000 visitors the figure carries a sign with the reason; pageviews are exact."""
    store_query(
        client,
        f"SELECT '{site}' AS site_id, now() AS timestamp, 'pageview' AS type, '' AS name,"
        " toString(number) AS visitor_id FROM numbers(1500)",
        ("site_id", "timestamp", "type", "name", "visitor_id"),
    )
    page = open_page(f"/{site}")
    about = page.locator("[data-kpi=visitors] .about")
    assert about.inner_text().startswith("≈")
    assert "1,000 visitors" in (about.get_attribute("title") or "")
    assert page.locator("[data-kpi=pageviews] .about").count() == 0
    expect(page.locator("[data-reading]")).to_contain_text(re.compile(r": ≈1,[45]\d\d visitors"))


def test_without_javascript_the_figures_are_there(server: Any, site: str, open_page: Any) -> None:
    """The page shows both panels, and neither an empty chart nor controls without effect."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    page = open_page(f"/{site}", java_script_enabled=False)
    expect(page.locator("[data-event=Signup]")).to_be_visible()
    for gone in (".plot", "[role=tablist]", "button.arrow"):
        expect(page.locator(gone).first).to_be_hidden()
    expect(page.locator("noscript .done")).to_contain_text("Without JavaScript")


def test_bars_can_be_seen(server: Any, site: str, open_page: Any) -> None:
    """Their colour has a contrast of 3:1 with the card, light and dark; rems follow the reader's size."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    for scheme in ("light", "dark"):
        page = open_page(f"/{site}", color_scheme=scheme)
        bar = page.locator("[data-event=Signup] .bar")
        assert page.evaluate(_CONTRAST, bar.element_handle()) >= 3
        arrow = page.locator("[data-event=Signup] > .row > .arrow").bounding_box()
        box = bar.bounding_box()
        assert arrow
        assert box
        assert box["x"] >= arrow["x"] + arrow["width"], "the bar begins after the arrow"
        assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "16px"


_CONTRAST = """
bar => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/\\d+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = getComputedStyle(bar.closest('.card')).backgroundColor;
  const both = [light(getComputedStyle(bar).fill), light(ground)];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}
"""
