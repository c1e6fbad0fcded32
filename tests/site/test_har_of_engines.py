"""HAR files that Playwright records in real engines: events of the shop, sound and with wire faults."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.site.test_shop import browser, served

__all__ = ["browser"]
SOUND = "clickport.track('Sound', { plan: 'pro' }, { amount: 49.99, currency: 'EUR' })"
POST = "fetch('/api/event', {{ method: 'POST', keepalive: true, body: JSON.stringify({}) }})"
FAULTS = {
    "WIRE-1": "fetch('/api/event?n=Signup', { keepalive: true })",
    "WIRE-2": "fetch('/api/event', { method: 'POST', body: 'Signup' })",
    "WIRE-3": POST.format("{ t: 'e', n: 'A', mk: ['a'], mv: [] }"),
    "PROP-2": POST.format("{ t: 'e', n: 'B', mk: Array(31).fill('k'), mv: Array(31).fill('v') }"),
    "PROP-3": POST.format("{ t: 'e', n: 'C', mk: ['k'], mv: ['v'.repeat(2001)] }"),
    "PROP-5": POST.format("{ t: 'e', n: 'D', mk: ['k'], mv: [42] }"),
    "PROP-6": 'fetch(\'/api/event\', { method: \'POST\', body: String.raw`{"t":"e","n":"a\\ud83d"}` })',
    "REV-1": POST.format("{ t: 'e', n: 'E', ra: '49.99', rc: 'EUR' }"),
    "REV-2": POST.format("{ t: 'e', n: 'F', ra: 49.99 }"),
    "REV-4": POST.format("{ t: 'e', n: 'G', rc: 'EUR' }"),
    "WIRE-5": "fetch('/api/event', { method: 'POST', headers: { 'X-Key': '1' },"
    " body: JSON.stringify({ t: 'e', n: 'H' }) })",
}


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Serve the good shop; return its origin."""
    with served() as origin:
        yield origin


def record(browser: Any, shop: str, path: Path, *scripts: str) -> None:
    """Record what the scripts do on a page of the shop; each is awaited."""
    context = browser.new_context(record_har_path=path)
    page = context.new_page()
    page.goto(f"{shop}/welcome")
    for script in scripts:
        with page.expect_response("**/api/event*"):
            page.evaluate(script)
    context.close()


def test_sound_events(browser: Any, shop: str, folder: Path, clickport: Callable[..., Result]) -> None:
    """The capture of a sound tracker has its event with the body, and no violation."""
    record(browser, shop, folder / "shop.har", SOUND)
    done = clickport("audit", "shop.har")
    if browser.browser_type.name == "firefox":  # Over BiDi, Playwright records no bodies.
        assert (done.exit_code, "record_har_path" in done.output) == (4, True), done.output
        return
    assert done.exit_code == 0, done.output
    assert "WARN" not in done.output
    draft = clickport("plan", "write", "shop.har", "--plan", "draft.toml")
    assert "wrote 1 events" in draft.output, draft.output


def test_all_wire_faults(browser: Any, shop: str, folder: Path, clickport: Callable[..., Result]) -> None:
    """Each seeded wire fault is named by its requirement."""
    if browser.browser_type.name == "firefox":
        pytest.skip("over BiDi, Playwright records no bodies")
    record(browser, shop, folder / "shop.har", SOUND, *FAULTS.values())
    done = clickport("audit", "shop.har")
    lines = [line.split() for line in done.output.splitlines()]
    named = {words[1] for words in lines if words[0] in ("FAIL", "WARN")}
    assert named - {"LINT-4", "LINT-5"} == set(FAULTS), done.output
