"""The local page of `clickport watch` in a browser: the list of the dashboard's live page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from conformance.browsers import find
from conformance.browsers.playwright_engines import PLAYWRIGHT
from conformance.site.plan import read_plan
from conformance.site.watch import Watch, WatchedEvent, watching
from tests.accessibility import axe, serious
from tests.site.conftest import body
from tests.site.test_shop import ROOT

__all__ = ["axe"]

FOLDER = os.environ.get("CLICKPORT_PICTURES", "")
PHONE: ViewportSize = {"width": 375, "height": 812}


@pytest.fixture
def page() -> Iterator[Page]:
    """A dark phone; fails if a part of the page is missing or an error is thrown."""
    faults: list[str] = []
    with PLAYWRIGHT as playwright:
        path = find("chromium").path or None
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport=PHONE, color_scheme="dark")
        page.on("response", lambda answer: faults.append(answer.url) if answer.status != 200 else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        browser.close()
    assert faults == []


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch of a site that sends what the test sends."""
    with watching(
        "http://127.0.0.1:9/", (), read_plan(ROOT / "fixtures" / "shop" / "tracking-plan.toml")
    ) as it:
        yield it


def _arrive(watch: Watch, *payloads: dict[str, Any]) -> None:
    """Send events until the watch has shown them."""
    for payload in payloads:
        httpx.post(f"{watch.address}api/event", json=payload)
        assert watch.follow(lambda _: None, until=payload["n"], seconds=30)


def test_events_are_shown_with_limits_and_plan(watch: Watch, page: Page, axe: str) -> None:
    """The newest is on top, with its time, properties, amount, what the limits did and what the plan says."""
    page.goto(watch.page)
    expect(page.locator("[data-connection]")).to_have_text("Connected")
    expect(page.locator("[data-open]")).to_have_attribute("href", watch.address)
    evil = "<img src=x onerror=alert(1)>"
    _arrive(watch, body("Signup", {"plan": "pro", "seats": "3"}), body("Purchase", {}, ra=49.99, rc="EUR"))
    _arrive(watch, body("Video Play", {"title": "x" * 2000}), body(evil, {}))
    rows = page.locator("[data-live-event]")
    expect(rows).to_have_count(4)
    names = [row.get_attribute("data-live-event") for row in rows.all()]
    assert names == [evil, "Video Play", "Purchase", "Signup"]
    unknown, cut, bought, signed = rows.all()
    assert unknown.locator("[data-advice=PLAN-1]").inner_text().startswith(f"'{evil}' is not in ")
    assert cut.locator(".note").inner_text() == "title has 2,000 characters: it was probably cut (LINT-5)"
    assert bought.locator(".money").inner_text() == "€49.99"
    assert signed.locator("[data-field]").all_inner_texts() == ['"pro"', '"3"']
    assert page.locator("main img").count() == 0
    assert serious(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_list_pauses_and_ends(watch: Watch, page: Page) -> None:
    """While the page pauses, events are held; when the watch ends, the page says so."""
    page.goto(watch.page)
    _arrive(watch, body("First", {}))
    expect(page.locator("[data-live-event]")).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    _arrive(watch, body("Second", {}), body("Third", {}))
    page.get_by_role("button", name="Continue (2)").click()
    rows = page.locator("[data-live-event] .name")
    assert rows.all_inner_texts() == ["Third", "Second", "First"]
    page.route("**/clickport-watch.json", lambda route: route.abort())
    expect(page.locator("[data-connection]")).to_have_text("The watch has ended")


@pytest.mark.skipif(not FOLDER, reason="`make screenshots` takes it")
def test_the_picture_of_the_documentation(watch: Watch, page: Page) -> None:
    """Take docs/images/watch.png."""
    page.set_viewport_size({"width": 1100, "height": 560})
    page.emulate_media(color_scheme="light")
    page.goto(watch.page)
    _arrive(
        watch, body("Signup", {"plan": "pro", "seats": "3"}), body("Purchase", {"sku": "PRO-1"}, ra="49.99")
    )
    _arrive(watch, body("Purchase", {"sku": "PRO-1"}, ra=49.99, rc="EUR"))
    expect(page.locator("[data-live-event]")).to_have_count(3)
    page.evaluate("document.fonts.ready")
    page.screenshot(path=Path(FOLDER) / "watch.png", animations="disabled")


def test_an_unreadable_request_is_shown() -> None:
    """It has a row with the reason; nothing else is known of it."""
    shown = WatchedEvent(seconds=0, event=None, problems=(("request", "the event has no name"),)).to_json()
    assert (shown["name"], shown["parts"], shown["revenue"]["revenue_source_amount"]) == (
        "unreadable",
        {},
        None,
    )
    assert shown["advice"] == [{"rule": "request", "text": "the event has no name"}]
