"""The size of pages is bounded, whatever names, goals and sites senders invent."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import expect

from tests.dashboard.test_events import counts, open_row

NAMES = 120
LONG = "名" * 9_990
PAGE_BYTES = 3_000_000


@pytest.fixture
def crowded(server: Any, client: Client, site: str) -> str:
    """A site with one ordinary event and many names, keys and values near the limits."""
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.send(site, "Signup", mk=["plan"], mv=["pro"])
    server.settle()
    # Inserted as rows, because sending them one by one takes longer than the test.
    client.command(
        f"""INSERT INTO rollup_events (site, step, bucket, name, currency, count, with_properties)
            SELECT {{site:String}}, step, toStartOfDay(now('UTC')),
                concat(repeat('名', 9990), toString(number)), '', 1, 1
            FROM numbers({NAMES}) ARRAY JOIN [900, 3600, 86400] AS step""",
        parameters={"site": site},
    )
    client.command(
        f"""INSERT INTO rollup_properties (site, step, bucket, name, key, value, count)
            SELECT {{site:String}}, step, toStartOfDay(now('UTC')),
                concat(repeat('名', 9990), '0'), concat(repeat('k', 5000), toString(number)),
                repeat('v', 2000), 1
            FROM numbers({NAMES}) ARRAY JOIN [900, 3600, 86400] AS step""",
        parameters={"site": site},
    )
    return site


def test_the_page_of_a_crowded_site_has_a_bound(server: Any, crowded: str) -> None:
    """With any query, a hundred names of 10,000 characters cost the page as much as names of 2,000."""
    for path in ("", "/events?limit=1000", "/advice", "/settings/goals"):
        answer = server.http.get(f"/{crowded}{path}")
        assert (path, answer.status_code, len(answer.content) < PAGE_BYTES) == (path, 200, True)


def test_an_answer_ends_early_and_says_how_many_there_are(server: Any, crowded: str) -> None:
    """The API keeps names whole and returns fewer rows; the next offset continues there."""
    path = f"/api/sites/{crowded}/events"
    seen: list[str] = []
    while True:
        answer = server.http.get(path, params={"limit": 1000, "offset": len(seen), "period": "30d"})
        assert len(answer.content) < PAGE_BYTES
        assert answer.json()["total"] == NAMES + 1
        rows = answer.json()["events"]
        seen += [row["name"] for row in rows]
        if not rows or len(seen) >= NAMES + 1:
            break
    assert (seen[0], len(set(seen))) == ("Signup", NAMES + 1)
    assert {len(name) for name in seen[1:]} == {len(LONG) + digits for digits in (1, 2, 3)}


def test_a_long_name_is_shown_in_part_and_opens(crowded: str, open_page: Any) -> None:
    """DASH-2: the row shows the length of the name and opens, although no URL could hold the name."""
    page = open_page(f"/{crowded}?period=30d")
    first = next(iter(name for name in counts(page, "data-event") if name != "Signup"))
    assert first == "名" * 2000
    long_row = page.locator("[data-event]").nth(1)
    expect(long_row.locator("> .row .sent").last).to_contain_text("(9,991 characters)")
    open_row(long_row)
    expect(long_row.locator("[data-property]").first).to_be_visible()
    expect(long_row.locator(".more")).to_contain_text(f"of {NAMES} properties")
    open_row(long_row.locator("[data-property]").first)
    expect(long_row.locator("[data-property-value]")).to_have_count(1)


def test_goals_have_a_number_and_a_length(server: Any, site: str) -> None:
    """Goals are shown up to the limits on number and length; an error names the limit."""
    path = f"/api/sites/{site}/goals"

    def create(name: str) -> tuple[int, str]:
        answer = server.http.post(path, json={"type": "custom_event", "event_name": name})
        return answer.status_code, answer.json().get("error", "")

    status, reason = create("x" * 10_001)
    assert (status, "10,000 characters" in reason) == (400, True)
    assert [create(f"{LONG}{number}")[0] for number in range(100)] == [201] * 100
    status, reason = create("one more")
    assert (status, "at most 100 goals" in reason) == (409, True)
    page = server.http.get(f"/{site}")
    assert (page.status_code, len(page.content) < PAGE_BYTES) == (200, True)
    assert server.http.get(f"/api/sites/{site}/kpis").status_code == 200
    form = server.http.post(f"/{site}/settings/goals", data={"event_name": "one more"})
    assert (form.status_code, "at most 100 goals" in form.text) == (409, True)


@pytest.mark.parametrize("path", ["/{}/events?search={}", "/api/sites/{}/events/properties?name={}"])
def test_an_argument_that_is_too_long_is_named(server: Any, site: str, path: str) -> None:
    """The error blames the argument, not ClickHouse."""
    answer = server.http.get(path.format(site, "x" * 20_000))
    assert (answer.status_code, "at most 16,384 characters" in answer.text) == (400, True)


def test_the_start_page_shows_sites_a_hundred_at_a_time(server: Any, client: Client) -> None:
    """The start page is bounded, and every site is found by its name."""
    client.command(
        """INSERT INTO rollup_traffic (site, step, bucket, pageviews, customs)
           SELECT concat('made-up-', toString(number), '.example'), 86400, toStartOfDay(now('UTC')), 1, 0
           FROM numbers(250)"""
    )
    try:
        first = server.http.get("/")
        found = server.http.get("/", params={"search": "MADE-UP-249."}).text
    finally:
        client.command("DELETE FROM rollup_traffic WHERE startsWith(site, 'made-up-')")
    assert (first.text.count("data-site="), len(first.content) < 100_000) == (100, True)
    assert 'href="/?offset=100"' in first.text
    assert found.count("data-site=") == 1
    assert "made-up-249.example" in found
