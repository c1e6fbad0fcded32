"""Progress and cancelling of slow figures, and downloads of lists."""

import csv
import re
from typing import Any

from playwright.sync_api import Route, expect


def test_slow_figures_show_progress_and_can_be_cancelled(server: Any, site: str, open_page: Any) -> None:
    """Cancelling leaves the figures as they are. The end of the queries is tested with the API."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    page = open_page("/")

    def late(route: Route) -> None:
        """Answer the page as it is if its figures take long."""
        body = route.fetch().text().replace('<dl class="kpis">', '<p data-late>Late</p><dl class="kpis">')
        route.fulfill(body=body, content_type="text/html")

    def hold(_: Route) -> None:
        """Answer nothing."""

    page.route(f"**/{site}?prop.plan=pro", late)
    page.route("**/*part=*", hold)
    page.goto(f"/{site}?prop.plan=pro")
    expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-progress]")).to_contain_text("Reading events")
    with page.expect_event("requestfailed", lambda request: "part=" in request.url):
        page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-strip]")).to_contain_text("Cancelled")
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
    page.unroute("**/*part=*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-late]")).to_have_count(0)
    expect(page.locator("[data-strip]")).to_be_empty()


def test_open_rows_of_the_address_are_opened_on_a_page_that_came_without_rows(
    server: Any, site: str, open_page: Any
) -> None:
    """A page whose figures take long has no rows at first; they open when they arrive."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    page = open_page(f"/{site}?tab=events")
    page.locator("[data-event=Signup] button.arrow").first.click()
    expect(page.locator("[data-property=plan]")).to_be_visible()
    assert "open=" in page.url

    def late(route: Route) -> None:
        """Answer the page as it is if its figures take long."""
        body = route.fetch().text().replace('<dl class="kpis">', '<p data-late>Late</p><dl class="kpis">')
        body, removed = re.subn(r"(<ul[^>]* data-rows>).*?</ul>", r"\1</ul>", body, flags=re.DOTALL)
        assert removed
        route.fulfill(body=body, content_type="text/html")

    page.route(page.url, late)
    page.reload()
    expect(page.locator("[data-property=plan]")).to_be_visible()
    expect(page.locator("[data-late]")).to_have_count(0)


def test_lists_are_downloaded_with_the_filter_of_the_page(server: Any, site: str, open_page: Any) -> None:
    """The menu's links keep range and filter."""
    for plan in ("pro", "free"):
        server.send(site, "=Purchase", mk=["plan"], mv=[plan])
    server.settle()
    page = open_page(f"/{site}?period=7d&prop.plan=pro")
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Raw events").click()
    assert download.value.suggested_filename.startswith(f"{site}-raw-")
    with download.value.path().open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["name"], row["values"]) == ("'=Purchase", '["pro"]')
