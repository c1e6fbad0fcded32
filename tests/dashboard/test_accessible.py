"""Accessibility of each kind of page by axe: nothing serious in light, dark, wide and on a phone."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.accessibility import axe, serious

__all__ = ["axe"]

PHONE = {"width": 375, "height": 812}
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def filled(server: Any) -> str:
    """A site with data of every kind."""
    site = "axe.example"
    for number in range(12):
        server.send(site, f"Event {number}", mk=["plan"], mv=["<b>" * 100], ra=9.99, rc="EUR")
    for name in (None, "event 1", "Signup Pro", "Signup Free"):
        server.send(site, name)
    server.http.post(f"/api/sites/{site}/goals", json={"type": "custom_event", "event_name": "Event 1"})
    server.settle()
    return site


def test_the_dashboard_on_a_phone(filled: str, axe: str, open_page: Any) -> None:
    """The Events tab with an event opened down to its values is no wider than the phone."""
    page = open_page(f"/{filled}?tab=events", viewport=PHONE)
    page.locator("[data-event='Event 1'] button.arrow").click()
    page.locator("[data-property=plan] button.arrow").click()
    page.locator("[data-property-value]").wait_for()
    assert serious(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_dashboard_in_the_dark(filled: str, axe: str, open_page: Any) -> None:
    """Covers the Goals tab on a wide, dark screen."""
    assert serious(open_page(f"/{filled}?tab=goals", viewport=WIDE, color_scheme="dark"), axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_closer_look(filled: str, axe: str, open_page: Any, scheme: str) -> None:
    """Covers chips, the menu of downloads, goals with revenue, and the list of shortcuts."""
    filtered = "event=Event+1&prop.plan=" + "%3Cb%3E" * 100
    page = open_page(f"/{filled}?tab=goals&{filtered}", viewport=PHONE, color_scheme=scheme)
    expect(page.locator("[data-kpi=events]")).to_be_visible()
    page.get_by_text("Download", exact=True).click()
    assert serious(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page, axe) == []


@pytest.mark.parametrize(
    "path", ["/", "/{}/settings/goals", "/{}/live", "/nothing.example", "/{}?period=never"]
)
def test_the_other_pages(filled: str, axe: str, open_page: Any, path: str) -> None:
    """Covers sites, settings, the live page, an empty site and an error."""
    assert serious(open_page(path.format(filled), viewport=PHONE), axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_live_page_with_advice(server: Any, site: str, axe: str, open_page: Any, scheme: str) -> None:
    """Covers rows with advice, and the status that announces it."""
    page = open_page(f"/{site}/live", viewport=PHONE, color_scheme=scheme)
    expect(page.locator("[data-connection]")).to_have_text("Connected")
    for name in ("Purchase", "purchase"):
        server.send(site, name, ra="$49.99")
    expect(page.locator("[data-advice=LINT-1]")).to_have_count(2)
    assert serious(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
