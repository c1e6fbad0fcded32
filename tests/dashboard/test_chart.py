"""The chart: labels are complete, it ends now, and the running step is dashed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

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
