"""Pictures of the pages for the documentation; ``make screenshots`` writes all of them to docs/images.

Other runs take two, which proves that the pages render and show a chart.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from reference_server.storage.rollups import ROLLUPS

SITE = "shop.example"
FOLDER = os.environ.get("CLICKPORT_PICTURES", "")
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}
PNG = b"\x89PNG\r\n\x1a\n"

_ARRIVALS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CTA Click", {"mk": ["button"], "mv": ["hero-signup"]}),
    ("Purchase", {"mk": ["product"], "mv": ["Pro"], "ra": "$49.99", "rc": "EUR"}),
    ("Signup", {"mk": ["plan", *(f"field {n}" for n in range(30))], "mv": ["pro", *map(str, range(30))]}),
    ("Purchase", {"mk": ["product"], "mv": ["Pro"], "ra": 49.99, "rc": "EUR"}),
)

only_for_the_documentation = pytest.mark.skipif(not FOLDER, reason="one of those that make screenshots makes")


_SHOP = "site_id = 'shop.example'"


@pytest.fixture(scope="module")
def shop(server: Any, client: Client) -> str:
    """A site with two months of traffic and two goals."""
    for statement in Path(__file__).with_name("shop.sql").read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            client.command(statement)
    for rollup in ROLLUPS:
        client.command(f"INSERT INTO {rollup.table} {rollup.of_events(_SHOP)}")
    for name in ("Signup", "Purchase"):
        goal = {"type": "custom_event", "event_name": name}
        server.http.post(f"/api/sites/{SITE}/goals", json=goal).raise_for_status()
    return SITE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the pictures."""
    return Path(FOLDER) if FOLDER else tmp_path


def picture(page: Page, file: Path, *, whole: bool = False) -> bytes:
    """Take a picture after everything is drawn, including fonts."""
    page.evaluate("document.fonts.ready")
    expect(page.locator("[data-late]")).to_have_count(0)  # Figures that take long are still to come.
    if page.locator(".plot").count():
        page.locator(".plot canvas").wait_for()
    file.parent.mkdir(parents=True, exist_ok=True)
    return page.screenshot(path=file, full_page=whole, animations="disabled")


def drawn(page: Page) -> int:
    """Return the number of painted pixels of the chart."""
    script = (
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 == 3 && v)"
    )
    return len(page.locator(".plot canvas").evaluate(f"c => Array.from(({script})(c))"))


def test_the_dashboard(shop: str, open_page: Any, folder: Path) -> None:
    """Wide, with an event opened down to its values; the chart is painted."""
    page = open_page(f"/{shop}?tab=events", viewport=WIDE)
    for row in ("[data-event=Signup]", "[data-property=plan]"):
        page.locator(f"{row} > .row > button.arrow").click()
    page.locator("[data-property-value]").first.wait_for()
    assert picture(page, folder / "dashboard.png", whole=True).startswith(PNG)
    assert drawn(page) > 1000


def test_the_dashboard_on_a_phone(shop: str, open_page: Any, folder: Path) -> None:
    """In one column, with nothing cut off."""
    page = open_page(f"/{shop}?tab=events", viewport=PHONE, device_scale_factor=2)
    assert picture(page, folder / "phone.png", whole=True).startswith(PNG)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@only_for_the_documentation
def test_the_dashboard_in_the_dark(shop: str, open_page: Any, folder: Path) -> None:
    """The goals in dark colours."""
    page = open_page(f"/{shop}?tab=goals&period=7d", viewport=WIDE, color_scheme="dark")
    picture(page, folder / "dark.png")


@only_for_the_documentation
def test_a_closer_look(shop: str, open_page: Any, folder: Path) -> None:
    """An event and a value of a property as the subject of the page, with a tooltip."""
    page = open_page(f"/{shop}?tab=events&event=Purchase&prop.product=Pro", viewport=WIDE)
    page.locator(".plot canvas").wait_for()
    page.locator("[data-event=Purchase] button.arrow").first.click()
    page.locator("[data-property]").first.wait_for()
    page.locator(".u-over").hover(position={"x": 600, "y": 60})
    picture(page, folder / "closer.png", whole=True)


@only_for_the_documentation
def test_a_closer_look_on_a_phone(shop: str, open_page: Any, folder: Path) -> None:
    """Chips, cards and goals in one column."""
    page = open_page(
        f"/{shop}?tab=goals&event=Purchase&prop.product=Pro", viewport=PHONE, device_scale_factor=2
    )
    picture(page, folder / "closer-phone.png", whole=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@only_for_the_documentation
def test_the_shortcuts(shop: str, open_page: Any, folder: Path) -> None:
    """The list of keys."""
    page = open_page(f"/{shop}?tab=goals", viewport=WIDE)
    page.locator("[data-show-keys]").click()
    assert picture(page, folder / "keys.png")


@only_for_the_documentation
def test_an_opened_event(shop: str, open_page: Any, folder: Path) -> None:
    """The panel alone: an event with revenue, its properties and their values."""
    page = open_page(f"/{shop}?tab=events", viewport=WIDE)
    for row in ("[data-event=Purchase]", "[data-property=product]"):
        page.locator(f"{row} > .row > button.arrow").click()
    page.locator("[data-property-value]").first.wait_for()
    page.locator("section", has=page.locator("#panel-events")).screenshot(path=folder / "event.png")


@only_for_the_documentation
def test_the_settings(shop: str, open_page: Any, folder: Path) -> None:
    """Goals and time zone."""
    picture(open_page(f"/{shop}/settings/goals", viewport=WIDE), folder / "settings.png")


@only_for_the_documentation
def test_the_settings_on_a_phone(shop: str, open_page: Any, folder: Path) -> None:
    """Nothing breaks within a word, and nothing is wider than the phone."""
    page = open_page(f"/{shop}/settings/goals", viewport=PHONE, device_scale_factor=2)
    picture(page, folder / "settings-phone.png")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@only_for_the_documentation
def test_the_live_page(server: Any, open_page: Any, folder: Path) -> None:
    """Events as they arrive, with their notes."""
    page = open_page(f"/{SITE}/live", viewport={"width": 1280, "height": 700})
    expect(page.locator("[data-connection]")).to_have_text("Connected")
    for name, fields in _ARRIVALS:
        server.send(SITE, name, **fields)
    expect(page.locator("[data-live-event]")).to_have_count(len(_ARRIVALS))
    page.locator("[data-live-event='Purchase'] summary").first.click()
    picture(page, folder / "live.png")


@only_for_the_documentation
def test_an_empty_site(open_page: Any, folder: Path) -> None:
    """A site before its first event."""
    picture(open_page("/empty.example", viewport=WIDE), folder / "empty.png")
