"""The dashboard updates itself without disturbing its user (DASH-3)."""

from typing import Any

from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from tests.dashboard.storing import store_query

SOON_MS = 10_000  # A few seconds, on a busy machine.
LONG_MS = 30_000


def test_a_new_name_appears_by_itself(server: Any, site: str, open_page: Any) -> None:
    """An open, empty page shows the name, its count and the KPIs without a reload."""
    page = open_page(f"/{site}")
    page.evaluate("window.same = true")
    expect(page.locator("#panel-events .empty")).to_contain_text("No events in this range")
    server.send(site, "Signup")
    expect(page.locator("[data-event='Signup']")).to_have_attribute("data-count", "1", timeout=SOON_MS)
    server.send(site, None)
    server.send(site, "Signup")
    expect(page.locator("[data-event='Signup']")).to_have_attribute("data-count", "2", timeout=SOON_MS)
    expect(page.locator("[data-kpi=pageviews] [data-value]")).to_have_attribute("data-value", "1")
    assert page.evaluate("window.same")


def test_a_browser_without_storage_is_enough(server: Any, site: str, open_page: Any) -> None:
    """If the user allows no data of sites, the page still updates itself, and its shortcuts work."""
    page = open_page("about:blank")
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})"
    )
    page.goto(f"/{site}")
    server.send(site, "Signup")
    expect(page.locator("[data-event='Signup']")).to_have_attribute("data-count", "1", timeout=SOON_MS)
    page.keyboard.press("?")
    page.get_by_label("Shortcuts are on").uncheck()
    page.get_by_role("button", name="Close").click()


def test_open_rows_and_the_focus_stay(server: Any, site: str, open_page: Any) -> None:
    """Rows that move stay open, keep the focus, and update inside."""
    server.send(site, "First", mk=["a"], mv=["1"])
    server.send(site, "First", mk=["a"], mv=["1"])
    server.send(site, "Second", mk=["b"], mv=["1"])
    server.settle()
    page = open_page(f"/{site}")
    page.locator("[data-event='Second'] button.arrow").press("Enter")
    page.locator("[data-property=b] button.arrow").press("Enter")
    value = page.locator("[data-event='Second'] [data-property-value='1']")
    expect(value).to_have_attribute("data-count", "1")
    for _ in range(3):
        server.send(site, "Second", mk=["b"], mv=["1"])
    expect(page.locator("[data-event]").first).to_have_attribute("data-event", "Second", timeout=SOON_MS)
    expect(value).to_have_attribute("data-count", "4", timeout=SOON_MS)
    focused = page.evaluate("document.activeElement.closest('[data-property]').dataset.property")
    assert focused == "b"
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_a_server_that_is_away_is_reported(server: Any, site: str, open_page: Any) -> None:
    """The last numbers stay, with a line that says so until the server is back."""
    server.send(site, "Signup")
    server.settle()
    page = open_page(f"/{site}")
    page.context.set_offline(True)
    expect(page.locator("[data-strip]")).to_contain_text("last numbers")
    expect(page.locator("[data-event='Signup']")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("[data-strip]")).to_be_empty()


def test_a_row_that_cannot_be_opened_says_so(server: Any, site: str, open_page: Any) -> None:
    """A row opened while the server is away offers a retry, which then works."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    page = open_page(f"/{site}")
    page.context.set_offline(True)
    page.locator("[data-event='Signup'] button.arrow").click()
    again = page.locator("[data-event='Signup']").get_by_role("button", name="Try again")
    again.wait_for()
    page.context.set_offline(False)
    again.click()
    expect(page.locator("[data-property=plan]")).to_be_visible()


def test_ranges_and_metrics_change_in_place(server: Any, site: str, open_page: Any) -> None:
    """Ranges, including custom days in any order, and metrics change the URL."""
    for name in ("Signup", "signup"):
        server.send(site, name)
    server.settle()
    page = open_page(f"/{site}")
    page.evaluate("window.same = true")
    expect(page.locator("[data-advice=LINT-1]")).to_contain_text("signup")
    page.get_by_label("Date range").select_option(label="Yesterday")
    expect(page.locator("[data-event]")).to_have_count(0)
    expect(page.locator("[data-advice]")).to_have_count(0)
    page.get_by_label("Date range").select_option(label="Custom dates")
    page.get_by_label("From").fill("2020-01-02")
    page.get_by_label("To", exact=True).fill("2020-01-01")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("[data-days]")).to_have_text("1 Jan 2020 – 2 Jan 2020, UTC")
    page.get_by_label("Date range").select_option(label="Realtime")
    expect(page.locator("[data-event='Signup']")).to_be_visible()
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page.locator("[data-series=events]")).to_be_attached()
    assert page.url.endswith("period=realtime&metric=events")
    assert page.locator(".plot canvas").is_visible()
    assert page.evaluate("window.same")


def test_tabs_are_walked_by_keyboard(site: str, open_page: Any) -> None:
    """Arrow keys switch between Goals and Events; the panel follows, and a reload keeps the choice."""
    page = open_page(f"/{site}?tab=goals")
    goals = page.get_by_role("tab", name="Goals")
    goals.press("ArrowRight")
    expect(page.get_by_role("tab", name="Events")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="Goals")).to_be_hidden()


def names_of(client: Client, site: str, many: int) -> None:
    """Give a site many names, each seen twice with a property."""
    store_query(
        client,
        f"SELECT '{site}' AS site_id, now() AS timestamp, 'custom' AS type, 'v' AS visitor_id,"
        f" concat('name ', leftPad(toString(number % {many}), 5, '0')) AS name,"
        f" ['n'] AS meta_keys, ['x'] AS meta_values FROM numbers({2 * many})",
        ("site_id", "timestamp", "type", "name", "visitor_id", "meta_keys", "meta_values"),
    )


def show_more(page: Page, rows: int) -> None:
    """Extend the list of events to so many rows."""
    names = page.locator("#panel-events [data-event]")
    expect(names).to_have_count(100)
    for shown in [*range(200, rows, 100), rows]:
        page.locator("#panel-events > div > .more button").click()
        expect(names).to_have_count(shown)


def test_a_long_list_keeps_itself_up_to_date(client: Client, server: Any, site: str, open_page: Any) -> None:
    """With six hundred rows, new names appear, also at the end; rows being read or open stay."""
    names_of(client, site, 620)
    page = open_page(f"/{site}")
    show_more(page, 620)
    read = page.locator("[data-event='name 00400']")
    read.locator("button.arrow").click()
    expect(read.locator("[data-property=n]")).to_be_visible()
    read.evaluate("row => scrollTo(0, scrollY + row.getBoundingClientRect().top - 100)")
    before = read.evaluate("row => row.getBoundingClientRect().top")
    for name in ("First of all", "First of all", "First of all", "zzz"):
        server.send(site, name)
    server.send(site, "name 00405")
    expect(page.locator("[data-event]").first).to_have_attribute(
        "data-event", "First of all", timeout=LONG_MS
    )
    expect(page.locator("[data-event]").last).to_have_attribute("data-event", "zzz", timeout=LONG_MS)
    expect(page.locator("[data-event='name 00405']")).to_have_attribute("data-count", "3", timeout=LONG_MS)
    assert page.locator("#panel-events [data-event]").count() == 622
    assert read.locator("[data-property=n]").is_visible()
    assert abs(read.evaluate("row => row.getBoundingClientRect().top") - before) < 2


def test_a_long_list_stays_as_long_as_it_was(client: Client, server: Any, site: str, open_page: Any) -> None:
    """Seven hundred of two thousand rows stay as many; another range is shown at once."""
    names_of(client, site, 2000)
    page = open_page(f"/{site}")
    show_more(page, 700)
    for _ in range(3):
        server.send(site, "First of all")
    expect(page.locator("[data-event]").first).to_have_attribute(
        "data-event", "First of all", timeout=LONG_MS
    )
    names = page.locator("#panel-events [data-event]")
    assert len(set(names.evaluate_all("rows => rows.map(r => r.dataset.event)"))) == 700
    expect(page.locator("#panel-events > div > .more")).to_contain_text("700 of 2,001")
    page.get_by_label("Date range").select_option(label="Yesterday")
    expect(names).to_have_count(0)
