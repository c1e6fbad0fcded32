"""Pages as sites have them: exits, frames, windows, workers, policies, https, trackers that stay silent."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from playwright.async_api import async_playwright

from conformance.browsers import find, start
from conformance.browsers.playwright_engines import _launch
from conformance.recorder import Recorder
from conformance.site import pages
from conformance.site.events import Event
from conformance.site.expected import Expectation
from conformance.site.observer import Clickport
from conformance.site.plan import Plan
from conformance.site.snapshot import compare
from tests.serving import serving as serve_app
from tests.site.test_shop import ROOT, browser, page, recorder

__all__ = ["browser", "page", "recorder"]
TRACKER = (ROOT / "tracker" / "tracker.js").read_text(encoding="utf-8")
HOSTED = "https://stats.example"
HEAD = '<!doctype html><meta charset="utf-8"><title>x</title>'
OWN = '<script defer src="/tracker.js"></script>'
CONTROLLED = """new Promise((done) => navigator.serviceWorker.controller
  ? done() : navigator.serviceWorker.addEventListener('controllerchange', done))"""
WORKER = """
addEventListener('install', () => skipWaiting())
addEventListener('activate', (event) => event.waitUntil(clients.claim()))
addEventListener('fetch', (event) => event.respondWith(fetch(event.request)))
"""
PAGES = {
    "/": f"{HEAD}{OWN}<iframe src='/frame'></iframe>",
    "/frame": f"{HEAD}{OWN}<p>frame",
    "/empty": f"{HEAD}<p>no tracker",
    "/hosted": f"{HEAD}<script defer src='/tracker.js' data-api='{HOSTED}/api/event'></script>",
    "/worker": f"{HEAD}{OWN}<script>navigator.serviceWorker.register('/worker.js')</script>",
    "/silent": f"{HEAD}<script defer src='/silent.js'></script>",
    "/redirect": f"{HEAD}{OWN}<script>location.replace('/frame')</script>",
}
SILENT = TRACKER.replace(
    "  const stub = window.clickport;",
    "  if (navigator.webdriver) { window.clickport = { track() {} }; return }\n"
    "  const stub = window.clickport;",
)


def site() -> Flask:
    """Return the site of PAGES, under a policy that allows the hosted endpoint and its own origin."""
    app = Flask(__name__)
    scripts = {"/tracker.js": TRACKER, "/silent.js": SILENT, "/worker.js": WORKER}

    @app.get("/", defaults={"path": ""})
    @app.get("/<path>")
    def get(path: str) -> Response:
        name = f"/{path}"
        if path == "file":
            return Response(b"data", headers={"Content-Disposition": "attachment"})
        type_ = "text/javascript" if name in scripts else "text/html"
        answer = Response(scripts.get(name) or PAGES[name], content_type=f"{type_}; charset=utf-8")
        answer.headers["Content-Security-Policy"] = (
            f"default-src 'self'; script-src 'self' 'unsafe-inline'; connect-src 'self' {HOSTED}"
        )
        return answer

    return app


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Serve the site; return its origin."""
    with serve_app(site()) as served:
        yield served


@pytest.fixture
def observer(recorder: Recorder) -> Iterator[Clickport]:
    """Return the object of a test on a site with a hosted endpoint."""
    made = Clickport(recorder, endpoints=[HOSTED])
    yield made
    made.close()


LEAVE: dict[str, Callable[[Any], Any]] = {
    "location": lambda page: page.evaluate("clickport.track('Left'); location.href = '/empty'"),
    "pagehide": lambda page: page.evaluate(
        "addEventListener('pagehide', () => clickport.track('Left'));"
        "setTimeout(() => location.href = '/empty')"
    ),
    "close": lambda page: (page.evaluate("clickport.track('Left')"), page.close()),
    "close in pagehide": lambda page: (
        page.evaluate("addEventListener('pagehide', () => clickport.track('Left'))"),
        page.close(run_before_unload=True),
    ),
    "hosted endpoint": lambda page: page.evaluate("clickport.track('Left'); location.href = '/empty'"),
}


@pytest.mark.parametrize("way", LEAVE)
def test_exits(page: Any, observer: Clickport, origin: str, way: str) -> None:
    """An event that is sent while its page is left arrives once, whether or not its page still exists."""
    page.goto(observer.site(f"{origin}{'/hosted' if way == 'hosted endpoint' else '/frame'}"))
    page.wait_for_load_state()
    LEAVE[way](page)
    observer.expect("Left")


def test_frames_windows_workers_redirects_downloads(page: Any, observer: Clickport, origin: str) -> None:
    """Events of a frame, a window, a page behind a service worker and one behind a redirect arrive."""
    observer.attach(page)
    page.goto(f"{origin}/")
    page.frames[1].evaluate("clickport.track('Frame')")
    with page.expect_popup() as opened:
        page.evaluate("window.open('/frame')")
    opened.value.wait_for_load_state()
    opened.value.evaluate("clickport.track('Window')")
    opened.value.close()
    page.goto(f"{origin}/worker")
    page.evaluate(CONTROLLED)
    page.evaluate("clickport.track('Worker')")
    page.goto(f"{origin}/redirect", wait_until="commit")
    page.wait_for_url("**/frame")
    page.evaluate("clickport.track('Redirect')")
    with page.expect_download() as download:
        page.evaluate("clickport.track('Download'); location.href = '/file'")
    assert download.value.path().read_bytes() == b"data"
    for name in ("Frame", "Window", "Worker", "Redirect", "Download"):
        observer.expect(name)
    observer.none("*")


def test_doubled_event_fails(page: Any, observer: Clickport, origin: str) -> None:
    """An event that is sent twice in one task is not `once`."""
    observer.attach(page)
    page.goto(f"{origin}/")
    page.evaluate("clickport.track('Twice'); clickport.track('Twice')")
    with pytest.raises(AssertionError, match="arrived 2 times, expected once"):
        observer.expect("Twice")
    assert len(observer.expect("Twice", times=2)) == 2


def test_absence_is_proved_or_refuted(page: Any, observer: Clickport, origin: str) -> None:
    """An event on its way fails `none`, at once; others and those already expected do not."""
    observer.attach(page)
    page.goto(f"{origin}/")
    page.evaluate("clickport.track('Signup')")
    observer.none("Error*")
    observer.expect("Signup")
    observer.none("*")
    page.evaluate("clickport.track('Error 500')")
    with pytest.raises(AssertionError, match=r"none\('Error\*'\): once\narrived:\n  Error 500"):
        observer.none("Error*")


def test_absence_needs_a_page(observer: Clickport) -> None:
    """Without a page nothing is proved."""
    with pytest.raises(
        AssertionError, match=r"absence cannot be proved: no page .* clickport.attach\(page\)"
    ):
        observer.none("Error*")


def test_busy_page_ends_in_time(
    page: Any, observer: Clickport, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that never answers proves nothing, and does not hang the test."""
    monkeypatch.setattr(pages, "ANSWER_SECONDS", 0.3)
    observer.attach(page)
    page.goto(f"{origin}/frame")
    page.evaluate("void setTimeout(() => { for (;;); })")
    with pytest.raises(AssertionError, match="absence cannot be proved: no page"):
        observer.none("Error*")


def test_last_event_is_compared_with_the_plan(page: Any, recorder: Recorder, origin: str) -> None:
    """An event that is on its way when the test ends is compared, too: a sentinel follows it."""
    observer = Clickport(recorder, plan=Plan(events={}))
    observer.attach(page)
    page.goto(f"{origin}/frame")
    page.evaluate("clickport.track('Last')")
    with pytest.raises(AssertionError, match="PLAN-1 Last: 'Last' is not in"):
        observer.conclude()
    names = [
        json.loads(exchange.body)["n"]
        for exchange in recorder.seen(token="clickport-sentinel", path="/api/event")
    ]
    assert names
    observer.close()


def test_silent_tracker_is_recognised(page: Any, observer: Clickport, origin: str) -> None:
    """A tracker that is silent under automation fails with the way out, which works."""
    observer.attach(page)
    page.goto(f"{origin}/silent")
    page.evaluate("clickport.track('Signup')")
    with pytest.raises(AssertionError, match=r"call clickport.disguise\(page\) before the first goto"):
        observer.expect("Signup", seconds=0.2)
    with pytest.raises(AssertionError, match="absence cannot be proved"):
        observer.none("Error*")
    observer.disguise(page)
    page.goto(f"{origin}/silent")
    page.evaluate("clickport.track('Signup')")
    observer.expect("Signup")


@pytest.mark.parametrize(
    ("path", "through", "hint"),
    [
        ("/empty", True, "the page has no clickport.track"),
        ("/", False, "no page came through the recorder"),
    ],
)
def test_reasons_are_named(  # noqa: PLR0917
    page: Any, observer: Clickport, origin: str, path: str, through: bool, hint: str
) -> None:
    """If nothing arrives, the message says why: no tracker, or a page that did not come through here."""
    observer.observe(page)
    page.goto(observer.site(f"{origin}{path}") if through else f"{origin}{path}")
    with pytest.raises(AssertionError, match=hint):
        observer.expect("Signup", seconds=0.2)


def test_async_api(recorder: Recorder, origin: str, tmp_path: Path) -> None:
    """With Playwright's async API, expectations are awaited; the ordinary ones say so."""

    async def use(observer: Clickport) -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**_launch(find("chromium"), frozen_pages=False))
            page = observer.attach(await browser.new_page())
            await page.goto(f"{origin}/")
            await page.evaluate("clickport.track('Signup')")
            await observer.expect_async("Signup")
            await observer.none_async("Error*")
            await observer.snapshot_async()
            with pytest.raises(TypeError, match="await expect_async, none_async or snapshot_async"):
                observer.none("Error*")
            await browser.close()

    observer = Clickport(recorder, snapshot=tmp_path / "kept", update=True)
    # The sync API of the other tests runs a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, use(observer)).result()
    assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == "Signup\n"
    observer.close()


@pytest.mark.skipif("webkit" not in os.environ.get("CLICKPORT_ENGINES", ""), reason="one engine in CI")
@pytest.mark.parametrize("way", ["location", "pagehide"])
def test_exits_in_webkit(recorder: Recorder, origin: str, way: str) -> None:
    """In WebKitGTK, driven by Selenium, events of pages that are left arrive, too."""
    with start(find("webkit")) as browser:
        observer = Clickport(recorder)
        driver: Any = browser.tab()._driver  # type: ignore[attr-defined]
        observer.attach(driver)
        driver.get(f"{origin}/frame")
        script = {
            "location": "clickport.track('Left'); location.href = '/empty'",
            "pagehide": "addEventListener('pagehide', () => clickport.track('Left'));"
            "setTimeout(() => location.href = '/empty')",
        }[way]
        driver.execute_script(script)
        observer.expect("Left")
        observer.close()


def test_values_are_compared_as_they_are_sent() -> None:
    """Numbers and booleans are their text; patterns and functions are asked."""
    properties: dict[str, Any]
    event = Event(name="x", properties={"n": "3", "f": "3.5", "b": "true", "t": "abc"})
    for properties in (
        {"n": 3},
        {"n": 3.0},
        {"f": 3.5},
        {"b": True},
        {"t": re.compile("^a")},
        {"t": str.islower},
    ):
        assert Expectation(name="x", properties=properties).differences(event) == []
    for properties in ({"n": 4}, {"b": False}, {"t": re.compile("z")}, {"t": str.isupper}, {"none": "x"}):
        assert len(Expectation(name="x", properties=properties).differences(event)) == 1


def test_snapshot(page: Any, recorder: Recorder, origin: str, tmp_path: Path) -> None:
    """A snapshot holds for the same events, and shows the difference to others."""
    page_events = {"x": "clickport.track('A', { k: 1 })", "y": "clickport.track('A', { k: 2 })"}
    for name, script in page_events.items():
        for update in (True, False):
            observer = Clickport(recorder, snapshot=tmp_path / name, update=update)
            observer.attach(page)
            page.goto(f"{origin}/frame")
            page.evaluate(script)
            observer.snapshot()
            observer.close()
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == 'A {"k": "1"}\n'
    (tmp_path / "y.txt").write_text('A {"k": "1"}\n', encoding="utf-8")
    with pytest.raises(AssertionError, match=r'-A {"k": "1"}\n\+A {"k": "2"}'):
        compare(tmp_path / "y.txt", [Event(name="A", properties={"k": "2"})], update=False)
    with pytest.raises(AssertionError, match=r"there is no snapshot .*none.txt: write it with"):
        compare(tmp_path / "none.txt", [], update=False)


PAID = Event(name="x", properties={"a": "1", "b": "2"}, amount=Decimal("49.99"), currency="EUR")


@pytest.mark.parametrize(
    ("expected", "differences"),
    [
        ({"properties": {"a": 1}}, []),
        (
            {"properties": {"a": 1}, "exactly": True},
            ["'b': not expected", "revenue: not expected"],
        ),
        ({"properties": {"a": 1, "b": 2}, "revenue": 49.99, "exactly": True}, []),
        ({"properties": {}, "revenue": (49.99, "EUR")}, []),
        ({"properties": {}, "revenue": (49.99, "USD")}, ["expected 49.99 USD, got 49.99 EUR"]),
        ({"properties": {}, "revenue": 49.990001}, ["expected 49.990001, got 49.99 EUR"]),
        ({"properties": {"c": 1}}, ["'c': expected '1', and it is missing"]),
    ],
)
def test_differences(expected: dict[str, Any], differences: list[str]) -> None:
    """Each difference is one line; without `exactly` what is not named is free."""
    found = Expectation(name="x", **expected).differences(PAID)
    assert len(found) == len(differences)
    assert all(text in line for text, line in zip(differences, found, strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "the name of an event must be text that is not empty (got '')"),
        ({"name": 5}, "the name of an event must be text that is not empty (got 5)"),
        ({"properties": ["plan"]}, 'properties must be a dict such as {"plan": "pro"} (got [\'plan\'])'),
        ({"properties": {1: "x"}}, "properties must be a dict"),
        (
            {"times": 0},
            "times must be 1 or more (got 0): clickport.none('Sale') proves that no event arrives",
        ),
        ({"times": "2"}, "times must be 1 or more (got '2')"),
        (
            {"revenue": [5, "EUR"]},
            "revenue must be an amount or a pair such as (49.99, \"EUR\") (got [5, 'EUR'])",
        ),
        ({"revenue": {"amount": 5}}, "revenue must be an amount"),
        ({"revenue": ("EUR", 5)}, "revenue must be an amount"),
        ({"revenue": (5,)}, "revenue must be an amount"),
        ({"revenue": "5 EUR"}, "revenue must be an amount"),
        ({"revenue": float("nan")}, "revenue must be an amount"),
        ({"revenue": True}, "revenue must be an amount"),
    ],
)
def test_slips_of_an_expectation(given: dict[str, Any], message: str) -> None:
    """An expectation that no event can meet, or that proves nothing, is refused with the way out."""
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Expectation(**{"name": "Sale", "properties": {}, **given})


def test_null_is_the_text_of_none() -> None:
    """None in a test stands for null in the page."""
    expected = Expectation(name="Sale", properties={"code": None}, revenue=(Decimal("5"), "EUR"))
    assert not expected.differences(
        Event(name="Sale", properties={"code": "null"}, amount=Decimal(5), currency="EUR")
    )
