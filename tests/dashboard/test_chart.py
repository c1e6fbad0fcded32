"""The chart: labels are complete, it ends now, and the running step is dashed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from tests.dashboard.storing import store_query

# Records the labels with their places in device pixels, and every pattern of dashes.
_SPY = """
window.labels = []; window.dashes = [];
const { fillText, setLineDash } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const { a, e } = this.getTransform(), width = this.measureText(text).width * a;
  const left = a * x + e - { left: 0, start: 0, center: width / 2, right: width, end: width }[this.textAlign];
  labels.push({ text, left, right: left + width, canvas: this.canvas.width });
  return fillText.apply(this, arguments);
};
CanvasRenderingContext2D.prototype.setLineDash = function (pattern) {
  dashes.push(pattern.length); return setLineDash.apply(this, arguments);
};
"""


def open_spied(open_page: Any, path: str, **options: Any) -> Page:
    """Open a page after its canvas is watched, and wait until the chart is drawn."""
    page: Page = open_page("/", **options)
    page.add_init_script(_SPY)
    page.goto(path)
    page.locator(".plot canvas").wait_for()
    return page


@pytest.mark.parametrize("width", [1280, 375])
def test_no_label_is_cut(client: Client, site: str, open_page: Any, width: int) -> None:
    """Seven digits on the left, and months of 120 days below: each label is inside the canvas."""
    days = (datetime.now(UTC).date() - timedelta(days=119), datetime.now(UTC).date())
    client.command(
        f"INSERT INTO rollup_traffic SELECT '{site}', step, toDateTime('{days[1]} 00:00:00', 'UTC'), 1200000,"
        " 0, uniqCombinedState(14)(sipHash64('v')) FROM (SELECT arrayJoin([900, 3600, 86400]) AS step)"
        " GROUP BY step"
    )
    address = f"/{site}?period=custom&from={days[0]}&to={days[1]}&metric=pageviews"
    page = open_spied(open_page, address, viewport={"width": width, "height": 900})
    labels = page.evaluate("labels")
    assert "1,000,000" in {label["text"] for label in labels}
    cut = [each for each in labels if each["left"] < 0 or each["right"] > each["canvas"]]
    assert not cut


def test_today_ends_now(server: Any, site: str, open_page: Any) -> None:
    """Hours to come are not drawn as zeros; the running one is dashed, and is what the line below reads."""
    # A zone where it is about noon.
    hours = 12 - datetime.now(UTC).hour
    zone = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
    server.http.put(f"/api/sites/{site}/settings", json={"timezone": zone}).raise_for_status()
    server.send(site, None)
    server.settle()
    page = open_spied(open_page, f"/{site}?period=today&metric=pageviews")
    times = page.locator("[data-series] [data-time]")
    expect(times).to_have_count(13)
    assert times.evaluate_all("rows => rows.map(row => row.dataset.value)") == ["0"] * 12 + ["1"]
    assert times.evaluate_all("rows => rows.map(row => 'running' in row.dataset)") == [False] * 12 + [True]
    expect(page.locator("[data-reading]")).to_contain_text("12:00: 1 pageview so far")
    assert 2 in page.evaluate("dashes"), "the running hour is dashed"
    expect(page.locator("[data-comparison]")).to_contain_text("until 12:")
    page.goto(f"/{site}?period=yesterday")
    page.locator(".plot canvas").wait_for()
    assert page.locator("[data-series] [data-time]").count() == 24
    assert 2 not in page.evaluate("dashes")


@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_shifts(server: Any, site: str, open_page: Any, width: int) -> None:
    """The layout never shifts: not on loading, with another metric, or if a pointer crosses the chart."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"], ra=5, rc="EUR")
    server.settle()
    page = open_page("/", viewport={"width": width, "height": 900})
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const each of list.getEntries())"
        " window.shift += each.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(f"/{site}?tab=events")
    page.locator(".plot canvas").wait_for()
    page.locator("[data-kpi=bounce_rate]").click()
    expect(page.locator("#chart-title")).to_have_text("Bounce")
    page.locator(".u-over").hover(position={"x": 100, "y": 60})
    expect(page.locator("[data-tip]")).to_be_visible()
    assert page.evaluate("shift") < 0.02


def test_the_crosshair_is_drawn_through_the_dot(server: Any, site: str, open_page: Any) -> None:
    """Between two points the vertical line is on the nearest one, as the dot is."""
    server.send(site, None)
    server.settle()
    page = open_page(f"/{site}?period=30d&metric=pageviews", viewport={"width": 1280, "height": 900})
    page.locator(".plot canvas").wait_for()
    box = page.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2 + 7, box["y"] + 100)
    middle = "e => { const { left, width } = e.getBoundingClientRect(); return left + width / 2 }"
    # A line of one pixel is drawn at the right of its place.
    line = page.locator(".u-cursor-x").evaluate("e => e.getBoundingClientRect().left")
    assert abs(line - page.locator(".u-cursor-pt").first.evaluate(middle)) <= 1


def test_the_period_before_is_drawn_and_reported(client: Client, site: str, open_page: Any) -> None:
    """A line for it, a tooltip with both values, intervals, and cards that choose what is drawn."""
    store_query(
        client,
        f"SELECT '{site}' AS site_id, now() - INTERVAL number DAY AS timestamp, 'pageview' AS type,"
        " '' AS name, toString(number) AS visitor_id, visitor_id AS session_id FROM numbers(40)"
        " WHERE number < 25 OR number > 35",
        ("site_id", "timestamp", "type", "name", "visitor_id", "session_id"),
    )
    page = open_page(f"/{site}?period=30d", viewport={"width": 1280, "height": 900})
    page.locator(".plot canvas").wait_for()
    now = page.locator("[data-series] [data-time]").last
    assert (now.get_attribute("data-value"), now.get_attribute("data-before")) == ("1", "0")
    page.locator("[data-kpi=pageviews]").click()
    expect(page.locator("#chart-title")).to_have_text("Pageviews")
    expect(page.locator("[data-kpi=pageviews] a")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="Week").click()
    table = page.locator("[data-series=pageviews]")
    expect(table.locator("[data-time]").first.locator("td").first).to_contain_text("Week of")
    box = page.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    expect(page.locator("[data-tip]")).to_contain_text(re.compile(r"Week of .*: 7 pageviews.*Week of .*: \d"))
    tip, plot = page.locator("[data-tip]").bounding_box(), page.locator(".plot").bounding_box()
    assert tip
    assert plot
    assert plot["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= plot["x"] + plot["width"]
    page.mouse.move(0, 0)
    expect(page.locator("[data-tip]")).to_be_hidden()
    page.get_by_role("link", name="Period before").click()
    expect(table.locator("[data-before]")).to_have_count(0)
    # An interval that another range cannot have gives way, and comes back with a range that can.
    page.get_by_label("Date range").select_option(label="Today")
    expect(page.locator("[data-series] thead")).to_contain_text("Hour")
    page.get_by_label("Date range").select_option(label="Last 14 days")
    expect(page.locator("[data-series] thead")).to_contain_text("Week")


def test_table_stays_in_place_of_a_chart_that_does_not_load(server: Any, site: str, open_page: Any) -> None:
    """Without the chart's library the table is open, and an update shows no empty chart above it."""
    server.send(site, None)
    server.settle()
    page = open_page("/")
    page.route("**/uPlot.js", lambda route: route.abort())
    page.goto(f"/{site}?period=today&metric=pageviews")
    figures = page.locator("details.figures")
    expect(figures).to_have_attribute("open", "")
    expect(page.locator(".plot")).to_be_hidden()
    for _ in range(2):  # The page has taken over the first answer before it asks again.
        with page.expect_request(re.compile("part=")):
            pass
    expect(page.locator(".plot")).to_be_hidden()
    expect(figures).to_have_attribute("open", "")
