"""The live page, fed by an endpoint that says what a test wants to see."""

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


def test_an_event_is_shown_with_what_became_of_it(open_page: Any, feed: Any) -> None:
    """Payload, stored values, what the limits did, and advice: all as text."""
    page = open_page("/")
    feed(page, "live.example", EVENT)
    row = page.locator("[data-live-event]")
    assert row.get_attribute("data-live-event") == EVENT["name"]
    assert row.locator(".name").inner_text() == EVENT["name"]
    assert row.locator(".money").inner_text() == "€49.99"
    assert row.locator(".note").inner_text() == "31 properties: the first 30 kept"
    assert row.locator("[data-advice=LINT-4]").inner_text() == "Send amounts as numbers."
    row.get_by_text("Payload").click()
    assert row.locator("[data-field=ra]").inner_text() == "49.99"
    assert row.locator("[data-field=mk]").inner_text() == '["plan"]'
    assert page.locator("main img").count() == 0
    expect(page.locator("[data-empty]")).to_be_hidden()


def test_many_events_stay_bounded_and_are_cleared(open_page: Any, feed: Any) -> None:
    """The newest 200 are kept, the newest first; clearing leaves the hint of the beginning."""
    page = open_page("/")
    feed(page, "live.example", *({**EVENT, "name": f"name {number}"} for number in range(250)))
    rows = page.locator("[data-live-event]")
    expect(rows.first).to_have_attribute("data-live-event", "name 249")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(0)
    expect(page.locator("[data-empty]")).to_be_visible()
