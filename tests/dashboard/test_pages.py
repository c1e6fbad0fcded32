"""All pages: their policy, their errors, and their content without data."""

from pathlib import Path
from typing import Any

import pytest

from reference_server.config import Config
from reference_server.web.app import create_app

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/example.com", 200),
        ("/example.com/settings/goals", 200),
        ("/example.com/live", 200),
        ("/example.com?period=never", 400),
        ("/example.com?period=custom&from=2026-13-01&to=2026-01-01", 400),
        ("/example.com?metric=money", 400),
        ("/example.com/events?limit=-5&offset=x", 200),
        ("/assets/base.css", 200),
    ],
)
def test_every_answer_has_the_policy(server: Any, path: str, status: int) -> None:
    """Pages, errors and files allow nothing inline or foreign, and no framing."""
    answer = server.http.get(path)
    assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (status, POLICY)
    for inline in ("<style", " style=", " onclick=", "<script>", "javascript:"):
        assert inline not in answer.text


def test_an_error_is_a_page(server: Any) -> None:
    """The error is in words, and text of the URL is escaped."""
    answer = server.http.get("/example.com?period=<b>")
    assert "<b>" not in answer.text
    assert "&lt;b&gt;" in answer.text
    assert 'data-error="400"' in answer.text


def test_an_unknown_address_is_a_page_for_browsers(server: Any) -> None:
    """A browser gets a page under the policy; programs, and the API always, get JSON."""
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for path, accept, page in (
        ("/ux.example/nope", browser, True),
        ("/ux.example/nope", {"Accept": "*/*"}, False),
        ("/api/sites/ux.example/nope", browser, False),
    ):
        answer = server.http.get(path, headers=accept)
        assert answer.status_code == 404
        assert ('data-error="404"' in answer.text) is page, path
        assert answer.headers["Content-Type"].startswith("text/html" if page else "application/json")
        assert not page or answer.headers["Content-Security-Policy"] == POLICY


def test_sites_are_listed_once_they_have_sent(server: Any, site: str) -> None:
    """The start page lists the sites seen; an address with www. redirects to the site without."""
    server.send(site, None)
    server.settle()
    assert f'data-site="{site}"' in server.http.get("/").text
    answer = server.http.get(f"/www.{site}/live")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/{site}/live")


def test_without_clickhouse_the_pages_say_so(tmp_path: Path) -> None:
    """Without ClickHouse, each page and list answers 503 with an explanation; the rest works."""
    app = create_app(Config(clickhouse_url="http://u:p@127.0.0.1:9", state_dir=tmp_path, bound="127.0.0.1"))
    client = app.test_client()
    for path in ("/", "/example.com", "/example.com/events", "/example.com/settings/goals"):
        answer = client.get(path)
        assert (answer.status_code, "ClickHouse" in answer.text) == (503, True), path
        assert answer.headers["Content-Security-Policy"] == POLICY
    assert client.get("/example.com/live").status_code == 200


def test_a_page_without_its_numbers_looks_for_them(open_page: Any, tmp_path: Path) -> None:
    """Loaded while ClickHouse is away, it becomes the dashboard when ClickHouse is back."""
    app = create_app(Config(clickhouse_url="http://u:p@127.0.0.1:9", state_dir=tmp_path, bound="127.0.0.1"))
    away = app.test_client().get("/back.example").text
    page = open_page("/")
    page.route(
        "**/back.example",
        lambda route: route.fulfill(status=503, body=away, content_type="text/html"),
        times=2,
    )
    page.goto("/back.example")
    assert page.locator("[data-error='503'] h1").inner_text() == "The data is not available right now"
    page.locator("[data-kpi=visitors]").wait_for()


def test_usage_stands_beside_the_quota(server: Any, open_page: Any) -> None:
    """Pageviews and custom events count alike (QUOTA-1); exceeding the quota is stated in words."""
    for name in (None, "Signup", "Signup"):
        server.send("quota.example", name)
    server.settle()
    page = open_page("/quota.example")
    usage = page.locator("[data-usage]")
    assert (usage.get_attribute("data-usage"), usage.get_attribute("data-quota")) == ("3", "50")
    assert "used up" not in usage.inner_text()
    for _ in range(48):
        server.send("quota.example", "Signup")
    page.locator("[data-usage='51']").wait_for()
    assert "The monthly quota is used up. Events are still stored and counted." in usage.inner_text()
