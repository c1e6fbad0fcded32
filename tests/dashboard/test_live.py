"""The live page, with the server's events and with more than it would send."""

from typing import Any

from playwright.sync_api import expect

EVENT = {
    "received": "2026-11-27T10:00:00+00:00",
    "type": "custom",
    "name": "<img src=x onerror=alert(1)>",
    "site": "live.example",
    "payload": {
        "t": "e",
        "n": "<img src=x onerror=alert(1)>",
        "mk": ["plan"],
        "mv": ["é" * 2000],
        "ra": 49.99,
        "rc": "eur",
    },
    "stored": {
        "meta_keys": ["plan"],
        "meta_values": ["é" * 2000],
        "revenue_source_amount": "49.99",
        "revenue_source_currency": "EUR",
    },
    "notes": ["31 properties: the first 30 kept"],
    "advice": [{"rule": "LINT-4", "text": "Send amounts as numbers."}],
}


def test_an_event_is_shown_with_its_outcome(open_page: Any, server: Any, site: str) -> None:
    """From the request to the page: payload, stored values, notes and advice, all as text."""
    page = open_page(f"/{site}/live")
    expect(page.locator("[data-connection]")).to_have_text("Connected")
    name = "<img src=x onerror=alert(1)>"
    server.send(site, "other", mk=[f"k{n}" for n in range(31)], mv=["v"] * 31, ra="$49.99")
    server.send(site, name, mk=["plan"], mv=["pro"], ra=49.99, rc="EUR")
    rows = page.locator("[data-live-event]")
    expect(rows).to_have_count(2)
    assert [row.get_attribute("data-live-event") for row in rows.all()] == [name, "other"]
    newest, oldest = rows.all()
    assert newest.locator(".name").inner_text() == name
    assert newest.locator(".money").inner_text() == "€49.99"
    newest.get_by_text("Payload").click()
    assert newest.locator("[data-field=ra]").inner_text() == "49.99"
    assert newest.locator("[data-field=mk]").inner_text() == '["plan"]'
    assert newest.locator(".note").count() == 0
    assert oldest.locator(".note").first.inner_text() == "31 properties: the first 30 kept"
    advice = [each.get_attribute("data-advice") for each in oldest.locator("[data-advice]").all()]
    assert advice == ["LINT-4", "LINT-5"]
    assert page.locator("main img").count() == 0
    expect(page.locator("[data-empty]")).to_be_hidden()


def test_many_events_stay_bounded_and_are_cleared(open_page: Any, feed: Any) -> None:
    """The newest 200 are kept, newest first; clearing shows the initial hint again."""
    page = open_page("/")
    feed(page, "live.example", *({**EVENT, "name": f"name {number}"} for number in range(250)))
    rows = page.locator("[data-live-event]")
    expect(rows.first).to_have_attribute("data-live-event", "name 249")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(0)
    expect(page.locator("[data-empty]")).to_be_visible()


def test_times_are_those_of_the_site(open_page: Any, server: Any, site: str, feed: Any) -> None:
    """The zone is named, and is not the browser's; invisible characters are marked and copied exactly."""
    server.http.put(f"/api/sites/{site}/settings", json={"timezone": "Asia/Kolkata"}).raise_for_status()
    page = open_page("/", timezone_id="America/New_York")
    feed(page, site, {**EVENT, "name": "Sign\u200bup "})
    row = page.locator("[data-live-event]")
    expect(row.locator("time")).to_have_text("15:30:00")
    expect(page.locator(".title")).to_contain_text("Times are those of Asia/Kolkata")
    marks = row.locator(".name .mark").evaluate_all("all => all.map(mark => mark.dataset.mark)")
    assert marks == ["U+200B", "␣"]
    assert row.locator(".name").evaluate("name => name.textContent") == "Sign\u200bup "
