"""The interface of each installed engine, and the end of its processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from conformance.browsers import (
    BROWSERS,
    PLAIN_HOSTS,
    Browser,
    BrowserMissing,
    Installed,
    PageBroken,
    Trusted,
    find,
    playwright_limits,
    start,
    unattended,
)
from conformance.recorder import Recorder, write_certificate

_SECONDS = 10.0


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Yield a recorder with two pages."""
    with Recorder() as running:
        running.mount("/one", b"<title>one</title><a id=go href=/two>on</a>", "text/html")
        running.mount("/two", b"<title>two</title>", "text/html")
        yield running


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Yield each engine that is installed."""
    with start(_found(request.param)) as running:
        assert running.name == request.param
        yield running


def _found(name: str) -> Installed:
    try:
        return find(name)
    except BrowserMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("engine", ["chromium", "webkit"])
def test_certificate_of_the_run_is_trusted_alone(engine: str, tmp_path: Path) -> None:
    """A page with another certificate than the one that the browser trusts is refused."""
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    trusted = Trusted(file=str(own), key_hash=write_certificate(own))
    write_certificate(other)
    try:
        installed = find(engine)
    except BrowserMissing as missing:
        pytest.skip(str(missing))
    with (
        Recorder(protocol="http1-tls", certificate=str(own)) as ours,
        Recorder(protocol="http1-tls", certificate=str(other)) as foreign,
        start(installed, trusted=trusted) as browser,
    ):
        with suppress(PageBroken):  # WebKitGTK shows nothing instead.
            browser.tab().goto(f"{foreign.page_origin}/next/page")
        assert foreign.seen() == []
        tab = browser.tab()
        tab.goto(f"{ours.page_origin}/next/page")
        assert tab.run("return [isSecureContext, location.protocol]") == [True, "https:"]


def test_a_tab_runs_scripts_and_follows_links(browser: Browser, recorder: Recorder) -> None:
    """A script returns JSON, a promise is awaited, and a click follows a link."""
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    assert tab.run("return { list: [1, 'é', null] }") == {"list": [1, "é", None]}
    assert tab.run("return new Promise((done) => setTimeout(() => done(7)))") == 7
    assert tab.run("document.title = 'said'") is None
    tab.click("#go")
    tab.wait_until("document.title === 'two'", _SECONDS)
    assert tab.url == f"{recorder.page_origin}/two"
    assert tab.screenshot().startswith(b"\x89PNG")
    tab.close()
    assert tab.closed


@pytest.mark.parametrize("browser", ["chromium", "firefox"], indirect=True)
def test_a_page_that_hangs_is_given_up(
    browser: Browser, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that hangs raises TimeoutError, its tab can be closed, and another tab works.

    WebKit is left out: its driver hangs with its page, until the limit of the connection to it.
    """
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    with monkeypatch.context() as hurry:
        hurry.setattr(playwright_limits, "SECONDS", 1.0)
        # Longer than the limit, but not endless, so that the rest of it ends by itself.
        with pytest.raises(TimeoutError):
            tab.run("const until = Date.now() + 15_000; while (Date.now() < until);")
        tab.close()
    other = browser.tab()
    other.goto(f"{recorder.page_origin}/two")
    assert other.run("return document.title") == "two"
    other.close()


@pytest.mark.parametrize("browser", ["chromium"], indirect=True)  # The wait is the same for Firefox.
def test_a_page_that_hangs_during_a_wait_is_given_up(
    browser: Browser, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait ends with TimeoutError, although the page that hangs meanwhile cannot end its part of it."""
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    monkeypatch.setattr(playwright_limits, "SECONDS", 1.0)
    tab.run("setTimeout(() => { const until = Date.now() + 40_000; while (Date.now() < until); }, 500)")
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="/one: the page hangs"):
        tab.wait_until("window.never", 1)
    assert time.monotonic() - began < 20  # Not when the page responds again.
    tab.close()


def test_a_browser_that_hangs_is_given_up_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that no longer responds costs two limits and leaves no process."""
    before = set(psutil.Process().children(recursive=True))
    with start(_found("chromium")) as browser:
        tab = browser.tab()
        monkeypatch.setattr(playwright_limits, "SECONDS", 1.0)
        started = set(psutil.Process().children(recursive=True)) - before
        stopped = [process for process in started if "chromium" in " ".join(process.cmdline())]
        for process in stopped:
            process.suspend()
        with pytest.raises(TimeoutError, match="no response within 1 s from chromium: the browser hangs"):
            browser.tab()
        tab.close()
    assert [process for process in stopped if _runs(process)] == []


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def test_a_condition_that_stays_false_names_itself(browser: Browser, recorder: Recorder) -> None:
    """A wait that times out names the condition and the page."""
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    with pytest.raises(TimeoutError, match=r"/one: window\.never"):
        tab.wait_until("window.never", 0.2)
    tab.close()


def test_tabs_have_sessions_of_their_own_and_share_the_rest(browser: Browser, recorder: Recorder) -> None:
    """Each tab has its own session storage; local storage is shared; a pop-up is a tab as well."""
    first, second = browser.tab(), browser.tab()
    for tab in (first, second):
        tab.goto(f"{recorder.page_origin}/one")
    first.run("sessionStorage.own = 'first'; localStorage.all = 'yes'")
    assert second.run("return [sessionStorage.own ?? null, localStorage.all]") == [None, "yes"]
    popup = first.popup(f"window.popup = window.open('{recorder.page_origin}/two')")
    assert popup.run("return document.title") == "two"
    popup.run("setTimeout(() => window.close())")
    first.wait_until("window.popup.closed", _SECONDS)
    for tab in (first, second):
        tab.close()


def test_tabs_are_visible_at_the_same_time(browser: Browser, recorder: Recorder) -> None:
    """No tab hides another, whichever is closed: a hidden page is restricted, and its tracker knows it."""
    lasting, first, second = browser.tab(lasting=True), browser.tab(), browser.tab()
    first.close()
    tabs = [lasting, second, browser.tab(), browser.tab()]
    for tab in tabs:
        tab.goto(f"{recorder.page_origin}/one")
    told = [tab.run("return [document.visibilityState, String(opener)]") for tab in tabs]
    for tab in tabs:
        tab.close()
    assert told == [["visible", "null"]] * 4


def test_a_page_that_opens_windows_gives_none_to_another(browser: Browser, recorder: Recorder) -> None:
    """A tab is an empty one although a page opens windows meanwhile."""
    if browser.name == "webkit":
        pytest.skip("its driver lists windows that are closed again, so that the page counts as broken")
    restless = browser.tab(lasting=True)
    restless.goto(f"{recorder.page_origin}/one")
    restless.run("globalThis.opening = setInterval(() => { open('/two')?.close() }, 5)")
    for _ in range(4):
        tab = browser.tab()
        assert tab.run("return [location.href, String(opener)]") == ["about:blank", "null"]
        tab.close()
    restless.run("clearInterval(globalThis.opening)")
    restless.close()


@pytest.mark.parametrize("name", BROWSERS)
def test_nothing_is_left_running(name: str) -> None:
    """After a browser has stopped, no process of it or of its screen is left."""
    try:
        installed = find(name)
    except BrowserMissing as missing:
        pytest.skip(str(missing))
    before = _children()
    with start(installed) as running:
        running.tab().close()
        assert _children() - before
    deadline = time.monotonic() + _SECONDS
    while left := _children() - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def _children() -> set[int]:
    """Return the running descendants of this process, without zombies: a driver may be shared."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def test_an_unattended_browser_shows_its_page_and_goes(recorder: Recorder) -> None:
    """The page's script runs without a driver, and no process of the browser is left afterwards."""
    page = f"{recorder.page_origin}/alone"
    recorder.mount("/alone", b"<script>fetch('/control/alone', { method: 'POST' })</script>", "text/html")
    with unattended(find("chromium"), page):
        assert recorder.wait(1, path="/control/alone")
        assert _that_show(page)
    _require_none_shows(page)


def test_an_unattended_browser_ends_with_its_process(recorder: Recorder, tmp_path: Path) -> None:
    """A run that is killed, as xdist kills a process that takes long to end, leaves no browser behind."""
    page = f"{recorder.page_origin}/orphan"
    recorder.mount("/orphan", b"<script>fetch('/control/orphan', { method: 'POST' })</script>", "text/html")
    script = (
        "import sys; from conformance.browsers import find, unattended\n"
        "with unattended(find('chromium'), sys.argv[1]): sys.stdin.read()"
    )
    own = {**os.environ, "TMPDIR": str(tmp_path)}  # The profile of a browser that is killed stays.
    with subprocess.Popen([sys.executable, "-c", script, page], stdin=subprocess.PIPE, env=own) as parent:
        try:
            assert recorder.wait(1, path="/control/orphan")
        finally:
            parent.kill()
    _require_none_shows(page)


def _require_none_shows(page: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while left := _that_show(page):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _that_show(url: str) -> list[str]:
    """Return the ids of all processes with the URL on their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if url.encode() in place.read_bytes():
                found.append(place.parent.name)
    return found


def test_a_script_that_throws_is_a_broken_page(browser: Browser, recorder: Recorder) -> None:
    """Every engine raises PageBroken for an exception of the page and for a closed window."""
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    with pytest.raises(PageBroken, match="boom"):
        tab.run("throw new Error('boom')")
    tab.close()
    with pytest.raises(PageBroken):
        tab.run("return 1")
    tab.close()


def test_a_dialog_is_dismissed(browser: Browser, recorder: Recorder) -> None:
    """A dialog of the page is dismissed, and the page continues."""
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/one")
    tab.run("setTimeout(() => { window.said = confirm('sure?') })")
    tab.wait_until("window.said === false", _SECONDS)
    tab.run("setTimeout(() => { window.said = confirm('sure?') })")
    other = browser.tab()
    other.goto(f"{recorder.page_origin}/one")
    other.close()
    tab.close()


def test_plain_hosts_are_no_secure_context(browser: Browser, recorder: Recorder) -> None:
    """The plain host name of an engine leads to this machine but is not a secure context."""
    origin = f"http://{PLAIN_HOSTS[browser.name]}:{recorder.page_origin.rpartition(':')[2]}"
    tab = browser.tab()
    tab.goto(f"{origin}/one")
    assert tab.run("return [location.origin, isSecureContext, document.title]") == [origin, False, "one"]
    tab.close()


def test_a_policy_comes_with_its_page(browser: Browser, recorder: Recorder) -> None:
    """A page that is mounted with a policy is subject to it."""
    recorder.mount(
        "/bound",
        b"<title>bound</title>",
        "text/html",
        headers={"Content-Security-Policy": "sandbox allow-scripts"},
    )
    tab = browser.tab()
    tab.goto(f"{recorder.page_origin}/bound")
    assert tab.run("return origin") == "null"
    tab.close()


@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "en_US.UTF-8"])
def test_language_of_pages_is_valid(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    """``navigator.language`` is a language tag, also with the locales of containers."""
    for name in ("LC_ALL", "LC_CTYPE", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    with start(_found("webkit")) as running:
        tab = running.tab()
        assert tab.run("return Intl.getCanonicalLocales(navigator.languages)") == ["en-US"]
