"""The live page shows the documentation's advice at events (LINT-1 to LINT-3)."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

SOON_MS = 20_000  # Some seconds, on a busy machine.


@pytest.fixture
def watched(open_page: Any, site: str) -> Page:
    """The live page of a site, opened before its events."""
    page: Page = open_page(f"/{site}/live")
    expect(page.locator("[data-connection]")).to_have_text("Connected")
    return page


def hint(page: Page, name: str, rule: str) -> Any:
    """Return the advice of a rule at each event of a name."""
    return page.locator(f"[data-live-event='{name}'] [data-advice={rule}]")


@pytest.mark.parametrize(
    ("rule", "names"),
    [("LINT-1", ("Purchase", "purchase")), ("LINT-2", ("Signup Free", "Signup Pro"))],
)
def test_a_pair_is_reported_at_both(server: Any, site: str, watched: Page, rule: str, names: Any) -> None:
    """The first name gets advice when the second arrives; a status announces it."""
    first, second = names
    for each in ("Other", first):
        server.send(site, each)
    expect(watched.locator("[data-live-event]")).to_have_count(2)
    server.send(site, second)
    for each in names:
        expect(hint(watched, each, rule)).to_be_visible(timeout=SOON_MS)
        assert [name.inner_text() for name in hint(watched, each, rule).locator(".sent").all()] == [*names]
    expect(watched.locator("[data-advice]")).to_have_count(2)
    status = watched.get_by_role("status", name="Advice")
    expect(status).to_contain_text(first)
    expect(status).to_contain_text(second)


def test_a_name_is_held_against_those_of_before(server: Any, site: str, watched: Page) -> None:
    """Earlier events count too; known advice appears with the next event at once."""
    server.send(site, "Sign up")
    server.settle()
    watched.reload()
    expect(watched.locator("[data-connection]")).to_have_text("Connected")
    server.send(site, "Signup")
    expect(hint(watched, "Signup", "LINT-1")).to_contain_text("Sign up", timeout=SOON_MS)
    watched.route("**/advice?*", lambda route: route.abort())
    server.send(site, "Signup")
    expect(hint(watched, "Signup", "LINT-1")).to_have_count(2)


def test_a_property_of_many_values_is_reported_where_it_is(server: Any, site: str, watched: Page) -> None:
    """Advice on two addresses appears at events with the property only."""
    server.send(site, "Login", mk=["mail", "plan"], mv=["one@a.example", "pro"])
    server.send(site, "Login", mk=["plan"], mv=["pro"])
    server.send(site, "Login", mk=["mail", "plan"], mv=["two@a.example", "pro"])
    expect(hint(watched, "Login", "LINT-3")).to_have_count(2, timeout=SOON_MS)
    assert [name.inner_text() for name in hint(watched, "Login", "LINT-3").locator(".sent").all()] == [
        "mail",
        "mail",
    ]
    expect(hint(watched, "Login", "LINT-3").first).to_contain_text("e-mail addresses (2 different)")
    expect(watched.locator("[data-live-event]").nth(1).locator("[data-advice]")).to_have_count(0)


def test_a_name_of_markup_stays_text(server: Any, site: str, watched: Page) -> None:
    """Holds in the rows and in the status."""
    for name in ("<img src=x>", "<IMG SRC=X>"):
        server.send(site, name)
    expect(hint(watched, "<img src=x>", "LINT-1")).to_contain_text("<IMG SRC=X>", timeout=SOON_MS)
    expect(watched.get_by_role("status", name="Advice")).to_contain_text("<IMG SRC=X>")
    assert watched.locator("main img").count() == 0


def test_a_server_that_cannot_say_is_asked_again(server: Any, site: str, watched: Page) -> None:
    """While ClickHouse is away, events are shown; their advice follows when it is back."""
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, json={"error": "ClickHouse does not answer: try again"})

    watched.route("**/advice?*", answer)
    for name in ("Purchase", "purchase"):
        server.send(site, name)
    expect(watched.locator("[data-live-event]")).to_have_count(2)
    expect(hint(watched, "purchase", "LINT-1")).to_be_visible(timeout=SOON_MS)
    assert len(asked) > 1
