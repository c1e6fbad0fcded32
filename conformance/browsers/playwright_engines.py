"""Chromium and Firefox by Playwright: the system's packages, or else Playwright's downloads."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser as PlaywrightProcess
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from conformance.browsers import playwright_limits as limits
from conformance.browsers.base import PLAIN_HOSTS, Browser, Installed, PageBroken, Tab, Trusted
from conformance.browsers.environment import without_proxies
from conformance.protocol.browser_headers import chrome_user_agent

# Suppress traffic other than that of the pages under test (update checks, first-run pages), QUIC and the GPU.
_CHROMIUM_ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
    f"--host-resolver-rules=MAP {PLAIN_HOSTS['chromium']} 127.0.0.1",
)
_FIREFOX_PREFERENCES = {"network.dns.localDomains": PLAIN_HOSTS["firefox"]}
_FROZEN_PAGES = "--disable-back-forward-cache"
_OPEN_TAB = "() => { open('about:blank', '_blank', 'noopener') }"
_IS_EMPTY = "() => location.href === 'about:blank' && !opener && document.visibilityState === 'visible'"
_POLL_SECONDS = 0.02
_PICTURE_SECONDS = 3.0
_POLICY = ("Content Security Policy", "CSP")


class _PlaywrightTab:
    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def closed(self) -> bool:
        return self._page.is_closed()

    @property
    def url(self) -> str:
        return self._page.url

    def goto(self, url: str) -> None:
        with _in_time():
            self._call("goto", url, waitUntil="load", more=limits.SECONDS)

    def run(self, script: str) -> Any:
        return self._answer(f"() => {{ {script} }}")

    def click(self, selector: str) -> None:
        with _in_time():
            self._call("click", selector, noWaitAfter=True, more=limits.SECONDS)

    def popup(self, script: str) -> Tab:
        with _in_time():
            with self._page.expect_popup() as opened:
                self.run(script)
            opened.value.wait_for_load_state("load")
            return _PlaywrightTab(opened.value)

    def wait_until(self, condition: str, seconds: float) -> None:
        try:
            polling = _POLL_SECONDS * 1000
            self._call("wait_for_function", condition, timeout=seconds * 1000, polling=polling, more=seconds)
        except PlaywrightTimeoutError as error:
            raise TimeoutError(f"not true after {seconds:g} s on {self.url}: {condition}") from error
        except PlaywrightError as error:
            if not any(word in error.message for word in _POLICY):
                raise PageBroken(_first_line(error)) from error
            self._ask_until(condition, seconds)

    def _ask_until(self, condition: str, seconds: float) -> None:
        """Poll the condition from outside: Playwright's own wait uses eval, which the page's CSP forbids."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(PageBroken):  # During a navigation there is no page to evaluate it.
                if self._answer(f"() => Boolean({condition})"):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true after {seconds:g} s on {self.url}: {condition}")
            time.sleep(_POLL_SECONDS)

    def _answer(self, function: str) -> Any:
        """Return the result of a function in the page. Raises TimeoutError if the page hangs."""
        with _in_time():
            return self._call("evaluate", function)

    def screenshot(self) -> bytes:
        picture: bytes = self._call("screenshot", timeout=_PICTURE_SECONDS * 1000)
        return picture

    def close(self) -> None:
        with suppress(PageBroken, TimeoutError), _in_time():
            self._call("close")

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return limits.call(self._page, method, *arguments, of=f"{self.url}: the page hangs", **options)


@contextmanager
def _in_time() -> Iterator[None]:
    """Convert Playwright's exceptions to TimeoutError and PageBroken, as raised by every engine."""
    try:
        yield
    except PlaywrightTimeoutError as error:
        raise TimeoutError(_first_line(error)) from error
    except PlaywrightError as error:
        raise PageBroken(_first_line(error)) from error


def _first_line(error: PlaywrightError) -> str:
    return error.message.partition("\n")[0]


class _PlaywrightBrowser:
    def __init__(self, installed: Installed, running: PlaywrightProcess, *, any_certificate: bool) -> None:
        self.name = name = installed.name
        self.version = running.version
        # Over BiDi, Playwright opens a window for each page, which takes Firefox twice the time of a tab.
        self._tabs = _TabsOfAWindow(self) if name == "firefox" and installed.stock else None
        self.spoiled = False
        self._hangs = f"{name}: the browser hangs"
        with _in_time():
            context = limits.call(running, "new_context", of=self._hangs, ignoreHTTPSErrors=any_certificate)
        self._context: BrowserContext = limits.public(context)
        self._context.set_default_timeout(limits.SECONDS * 1000)

    def tab(self, *, lasting: bool = False) -> Tab:
        with _in_time():
            passing = None if lasting or self._tabs is None else self._tabs.open()
            return _PlaywrightTab(passing or self.window())

    def window(self) -> Page:
        """Open an empty page in a window of its own, or in a tab of the browser's only window."""
        page: Page = limits.public(limits.call(self._context, "new_page", of=self._hangs))
        return page

    def beside(self, opener: Page) -> Page:
        """Open an empty page, without an opener, in a tab of the window of another page."""
        with self._context.expect_page(timeout=limits.SECONDS * 1000) as opened:
            limits.call(opener, "evaluate", _OPEN_TAB, of=self._hangs)
        return opened.value

    def finish(self) -> bool:
        """Close the context; return False if the browser cannot be used again."""
        if self.spoiled or not _KEPT.on:
            return False
        try:
            limits.call(self._context, "close", of=self._hangs)
        except (TimeoutError, PlaywrightError):
            return False
        return True


class _TabsOfAWindow:
    """The tabs of a window that an empty page keeps open; one at a time, because only one is visible."""

    def __init__(self, browser: _PlaywrightBrowser) -> None:
        self._browser = browser
        self._keeper: Page | None = None
        self._current: Page | None = None

    def open(self) -> Page | None:
        """Open a tab and return its page, or None while another one is open."""
        if self._current and not self._current.is_closed():
            return None
        if self._keeper is None or self._keeper.is_closed():
            self._keeper = self._browser.window()
        self._current = self._browser.beside(self._keeper)
        # A page under test may have opened a window of its own at the same moment, and closed it again.
        with suppress(PlaywrightError):
            if limits.call(self._current, "evaluate", _IS_EMPTY, of="a new tab"):
                return self._current
        return None


class _Shared:
    """Playwright of this process, shared by nested users: it cannot be started a second time."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._playwright: Playwright | None = None
        self._users = 0

    def __enter__(self) -> Playwright:
        if self._playwright is None:
            self._playwright = self._stack.enter_context(sync_playwright())
        self._users += 1
        return self._playwright

    def __exit__(self, *exception: object) -> None:
        self._users -= 1
        if not self._users:
            self._playwright = None
            self._stack.close()


PLAYWRIGHT = _Shared()
"""The shared instance. Enter it as a context manager; entries may be nested."""


@contextmanager
def by_playwright(
    installed: Installed, *, frozen_pages: bool = False, trusted: Trusted | None = None
) -> Iterator[Browser]:
    """Run Chromium or Firefox with one browser context for all tabs.

    ``frozen_pages`` turns on Chromium's back/forward cache, which Playwright turns off. With it, requests
    without keepalive survive together with their frozen page. ``trusted`` is as for ``start``.
    """
    # The certificate of a run is its own: no other run can use a browser that trusts it.
    key = None if trusted else (installed, frozen_pages)
    with PLAYWRIGHT as playwright:
        kept = _KEPT.take(key) if key else None
        running = kept or limits.launch(
            playwright,
            installed.name,
            env=without_proxies(),
            **_launch(installed, frozen_pages=frozen_pages, trusted=trusted),
        )
        browser: _PlaywrightBrowser | None = None
        try:
            any_certificate = bool(trusted) and installed.name == "firefox"
            browser = _PlaywrightBrowser(installed, running, any_certificate=any_certificate)
            yield browser
        finally:
            if not (browser and key and browser.finish() and _KEPT.keep(key, running)):
                limits.end(running)


class _Kept:
    """The browsers that stay running between uses, within ``kept_running``."""

    def __init__(self) -> None:
        self._idle: dict[tuple[Installed, bool], PlaywrightProcess] | None = None

    @property
    def on(self) -> bool:
        """True within ``kept_running``."""
        return self._idle is not None

    def take(self, key: tuple[Installed, bool]) -> PlaywrightProcess | None:
        """Return an idle browser that was kept under a key and still runs, or None."""
        idle = (self._idle or {}).pop(key, None)
        return idle if idle and idle.is_connected() else None

    def keep(self, key: tuple[Installed, bool], running: PlaywrightProcess) -> bool:
        """Keep a browser running for its next use; return False if it must be closed instead."""
        if self._idle is None or key in self._idle:
            return False
        self._idle[key] = running
        return True

    @contextmanager
    def kept(self) -> Iterator[None]:
        self._idle = {}
        with PLAYWRIGHT:
            try:
                yield
            finally:
                idle, self._idle = self._idle, None
                for running in idle.values():
                    limits.end(running)


_KEPT = _Kept()


@contextmanager
def kept_running() -> Iterator[None]:
    """Keep Chromium and Firefox running between uses in the block; each use has a context of its own.

    Cookies, caches and storage do not outlive a use.
    """
    with _KEPT.kept():
        yield


def _launch(installed: Installed, *, frozen_pages: bool, trusted: Trusted | None = None) -> Mapping[str, Any]:
    own = {"executable_path": installed.path} if installed.path else {}
    if installed.name == "firefox":
        # A stock Firefox is driven by WebDriver BiDi; without the channel Playwright expects its own build.
        channel = {"channel": "moz-firefox"} if installed.stock else {}
        return {**own, **channel, "firefox_user_prefs": _FIREFOX_PREFERENCES}
    frozen = {"ignore_default_args": [_FROZEN_PAGES]} if frozen_pages else {}
    # Headless Chromium names itself HeadlessChrome, which servers and trackers treat as a bot.
    agent = f"--user-agent={chrome_user_agent(installed.version)}"
    return {**own, **frozen, "args": (*_CHROMIUM_ARGUMENTS, agent, *trust_arguments(trusted))}


def trust_arguments(trusted: Trusted | None) -> tuple[str, ...]:
    """Return Chromium's arguments to trust the key of a certificate, if there is one."""
    return (f"--ignore-certificate-errors-spki-list={trusted.key_hash}",) if trusted else ()


@cache
def problem_with(installed: Installed) -> str:
    """Return why Playwright cannot open a page in a browser; "" if it can.

    One that is newer than the browser may send commands that the browser does not know, and one that is newer
    than this module may have another internal API.
    """
    try:
        with by_playwright(installed) as browser:
            tab = browser.tab()
            tab.run("return 1")
            tab.close()
    except Exception as error:  # Whatever another version of its internal API raises.
        return str(error).partition("\n")[0]
    return ""


def version_of(installed: Installed) -> str:
    """Start a browser and return its version."""
    with by_playwright(installed) as browser:
        return browser.version


@cache
def downloaded(name: str) -> str | None:
    """Return the path of the Chromium or Firefox that Playwright has downloaded, or None."""
    with PLAYWRIGHT as playwright:
        path = str(getattr(playwright, name).executable_path)
    return path if Path(path).exists() and os.access(path, os.X_OK) else None
