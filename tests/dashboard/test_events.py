"""The Events tab: names, properties, values and money (DASH-1, DASH-2, REV-9), with any text."""

from typing import Any

from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from tests.dashboard.storing import store_query

COLUMNS = ("site_id", "timestamp", "type", "name", "visitor_id")
HOSTILE = {
    "markup": "<img src=x onerror=\"document.title='broken'\">",
    "attribute": "\" onfocus='document.title=1' autofocus x=\"",
    "right to left": "\u202egnp.exe\u2066 \u0627\u0644",
    "emoji": "👩‍👩‍👧 🇺🇳 𝔘",
    "spaces": "  two  spaces ",
    "carriage return": "a\rb\nc",
    "template": "{{ 7 * 7 }}${7*7}",
    "prototype": "__proto__",
    "long": "é" * 2000,
    "path": "../settings/goals?name=a&b=c#d%2F",
}


def counts(page: Page, attribute: str) -> dict[str, str]:
    """Return the counts of the visible rows by an attribute."""
    seen = "(rows, name) => rows.filter(r => r.checkVisibility())"
    script = f"{seen}.map(r => [r.getAttribute(name), r.dataset.count])"
    return dict(page.locator(f"[{attribute}]").evaluate_all(script, attribute))


def row(page: Page, attribute: str, value: str) -> Any:
    """Return the only row whose attribute has exactly this value."""
    at = page.locator(f"[{attribute}]").evaluate_all(
        "(rows, [name, value]) => rows.findIndex(r => r.getAttribute(name) === value)", [attribute, value]
    )
    assert at >= 0, f"no row of {value!r}"
    return page.locator(f"[{attribute}]").nth(at)


def open_row(found: Any) -> None:
    """Click the arrow of a row."""
    found.locator("> .row > button.arrow").click()


def test_names_properties_and_values_open_one_after_the_other(server: Any, site: str, open_page: Any) -> None:
    """Counts are totals, values come most common first, and a name without properties has no arrow."""
    for plan in ("pro", "free", "pro"):
        server.send(site, "Purchase", mk=["plan", "seats"], mv=[plan, "1"])
    server.send(site, "purchase")
    server.settle()
    page = open_page(f"/{site}")
    assert counts(page, "data-event") == {"Purchase": "3", "purchase": "1"}
    assert row(page, "data-event", "purchase").locator("button").count() == 0
    open_row(row(page, "data-event", "Purchase"))
    expect(page.locator("[data-property]")).to_have_count(2)
    assert counts(page, "data-property") == {"plan": "3", "seats": "3"}
    open_row(row(page, "data-property", "plan"))
    expect(page.locator("[data-property-value]")).to_have_count(2)
    assert list(counts(page, "data-property-value").items()) == [("pro", "2"), ("free", "1")]


def test_currencies_stand_side_by_side(server: Any, site: str, open_page: Any) -> None:
    """Each currency has its sum in its own format, exact even beyond JavaScript's numbers."""
    for amount, currency in ((49.99, "EUR"), (0.01, "EUR"), (5000, "JPY"), (1.2345, "USD"), (1.5, "KWD")):
        server.send(site, "Purchase", ra=amount, rc=currency)
    server.send(site, "Large", ra=12345678901234.56, rc="USD")
    server.settle()
    page = open_page(f"/{site}")
    money = page.locator("[data-event='Purchase'] [data-revenue]")
    assert dict(money.evaluate_all("all => all.map(d => [d.dataset.revenue, d.textContent])")) == {
        "EUR": "€50.00",
        "JPY": "¥5,000",
        "KWD": "KWD\u00a01.500",
        "USD": "$1.2345",
    }
    assert page.locator("[data-event='Large'] [data-revenue]").inner_text() == "$12,345,678,901,234.56"


def test_a_currency_that_the_browser_refuses_breaks_nothing(
    client: Client, site: str, open_page: Any
) -> None:
    """A currency stored by other software is shown unchanged beside its amount."""
    store_query(
        client,
        f"SELECT '{site}' AS site_id, now() AS timestamp, 'custom' AS type, 'Odd' AS name, 'v' AS visitor_id,"
        " 1234.5 AS revenue_source_amount, '€uro' AS revenue_source_currency",
        (*COLUMNS, "revenue_source_amount", "revenue_source_currency"),
    )
    page = open_page(f"/{site}")
    assert page.locator("[data-event='Odd'] [data-revenue]").inner_text() == "1,234.50 €uro"
    assert counts(page, "data-event") == {"Odd": "1"}


def test_any_text_of_visitors_stays_text(server: Any, site: str, open_page: Any) -> None:
    """Any name, property or value is shown, found and opened, and never becomes markup."""
    for text in HOSTILE.values():
        server.send(site, text, mk=[text], mv=[text])
    server.settle()
    page = open_page(f"/{site}")
    title = page.title()
    assert counts(page, "data-event") == dict.fromkeys(HOSTILE.values(), "1")
    for text in HOSTILE.values():
        event = row(page, "data-event", text)
        open_row(event)
        event.locator("[data-property]").wait_for()
        open_row(event.locator("[data-property]"))
        event.locator("[data-property-value]").wait_for()
        assert event.locator("[data-property-value]").get_attribute("data-property-value") == text
        open_row(event)
    assert page.locator("main img").count() == 0
    assert page.title() == title
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing widens the page"


def test_ten_thousand_names_and_values_are_leafed_through(client: Client, site: str, open_page: Any) -> None:
    """Long lists are loaded in parts, can be searched, and grow beyond one request."""
    store_query(
        client,
        f"SELECT '{site}' AS site_id, now() AS timestamp, 'custom' AS type, 'v' AS visitor_id,"
        " number % 2 AS many, intDiv(number, 2) AS n, if(many, 'Many', concat('name ', toString(n))) AS name,"
        " [if(many, 'id', 'n')] AS meta_keys, [if(many, concat('value ', toString(n)), 'x')] AS meta_values"
        " FROM numbers(20000)",
        (*COLUMNS, "meta_keys", "meta_values"),
    )
    page = open_page(f"/{site}")
    names = page.locator("#panel-events [data-event]")
    expect(names).to_have_count(100)
    expect(page.locator("#panel-events .more")).to_contain_text("100 of 10,001")
    for rows in range(200, 701, 100):
        page.locator("#panel-events > div > .more button").click()
        expect(names).to_have_count(rows)
    assert len(set(names.evaluate_all("rows => rows.map(r => r.dataset.event)"))) == 700
    page.get_by_label("Search events").fill("NAME 4242")
    expect(names).to_have_count(1)
    page.get_by_label("Search events").fill("Many")
    expect(names).to_have_attribute("data-event", "Many")
    open_row(row(page, "data-event", "Many"))
    page.locator("[data-property=id]").wait_for()
    open_row(row(page, "data-property", "id"))
    values = page.locator("[data-property-value]")
    expect(values).to_have_count(10)
    page.locator("[data-property=id] .more button").click()
    expect(values).to_have_count(110)
    page.get_by_label("Search values of id").fill("value 777")
    expect(page.locator("[data-property=id] .more")).to_contain_text("10 of 11")
    page.get_by_label("Search values of id").fill("nothing like that")
    expect(page.locator("[data-property=id] .empty")).to_have_text("No value matches the search.")
