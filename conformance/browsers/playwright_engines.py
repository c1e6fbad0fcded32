"""Chromium and Firefox by Playwright: the system's own, or Playwright's download where there is one."""

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from conformance.browsers.base import PLAIN_HOSTS, Browser, Installed, PageBroken, Tab
from conformance.browsers.environment import without_proxies
from conformance.protocol.browser_headers import chrome_user_agent

# Nothing but the pages under test: no update checks, no QUIC, no first-run pages, no GPU.
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
_SECONDS = 15.0
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
            self._page.goto(url, wait_until="load")

    def run(self, script: str) -> Any:
        return self._answer(f"() => {{ {script} }}")

    def click(self, selector: str) -> None:
        with _in_time():
            self._page.click(selector, no_wait_after=True)

    def popup(self, script: str) -> Tab:
        with _in_time():
            with self._page.expect_popup() as opened:
                self.run(script)
            opened.value.wait_for_load_state("load")
            return _PlaywrightTab(opened.value)

    def wait_until(self, condition: str, seconds: float) -> None:
        try:
            self._page.wait_for_function(condition, timeout=seconds * 1000, polling=_POLL_SECONDS * 1000)
        except PlaywrightTimeoutError as error:
            raise TimeoutError(f"not so after {seconds:g} s: {condition}; it shows {self.url}") from error
        except PlaywrightError as error:
            if not any(word in error.message for word in _POLICY):
                raise PageBroken(_first_line(error)) from error
            self._ask_until(condition, seconds)

    def _ask_until(self, condition: str, seconds: float) -> None:
        """The same from outside, for pages whose policy forbids eval, which Playwright waits by."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(PageBroken):  # Between two pages there is none that could answer.
                if self._answer(f"() => Boolean({condition})"):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {seconds:g} s: {condition}; it shows {self.url}")
            time.sleep(_POLL_SECONDS)

    def _answer(self, function: str) -> Any:
        """What a function returns in the page. Raises TimeoutError when the page does not answer: it hangs.

        A page may hang before the answer has left it.
        """
        with _in_time():
            return self._within(self._page._impl_obj.evaluate(function))

    def _within(self, asked: Coroutine[Any, Any, Any]) -> Any:
        """Wait for a call by Playwright's inside, which is ended after a while: outside it waits for ever."""
        try:
            return self._page._sync(asyncio.wait_for(asked, _SECONDS))
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {_SECONDS:g} s from {self.url}: it hangs") from error

    def screenshot(self) -> bytes:
        return self._page.screenshot(timeout=_PICTURE_SECONDS * 1000)

    def close(self) -> None:
        with suppress(PageBroken, TimeoutError), _in_time():
            self._within(self._page._impl_obj.close())


@contextmanager
def _in_time() -> Iterator[None]:
    """Raise the TimeoutError and the PageBroken that every engine raises instead of Playwright's own."""
    try:
        yield
    except PlaywrightTimeoutError as error:
        raise TimeoutError(_first_line(error)) from error
    except PlaywrightError as error:
        raise PageBroken(_first_line(error)) from error


def _first_line(error: PlaywrightError) -> str:
    return error.message.partition("\n")[0]


class _PlaywrightBrowser:
    def __init__(self, name: str, version: str, context: BrowserContext) -> None:
        self.name = name
        self.version = version
        self._context = context

    def tab(self) -> Tab:
        with _in_time():
            return _PlaywrightTab(self._context.new_page())


class _Shared:
    """The Playwright of this process, which refuses to be started a second time beside the first."""

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
"""To be entered by all who want one: as often as they like, one in the other."""


@contextmanager
def by_playwright(installed: Installed, *, frozen_pages: bool = False) -> Iterator[Browser]:
    """Run Chromium or Firefox with one context, in which tabs are opened.

    ``frozen_pages`` turns Chromium's back/forward cache on, which Playwright turns off: with it, requests
    without keepalive live on with their frozen page.
    """
    with PLAYWRIGHT as playwright:
        browser = getattr(playwright, installed.name).launch(
            env=without_proxies(), **_launch(installed, frozen_pages=frozen_pages)
        )
        context = browser.new_context()
        context.set_default_timeout(_SECONDS * 1000)
        try:
            yield _PlaywrightBrowser(installed.name, browser.version, context)
        finally:
            # It may have died, or Ctrl-C, which goes to every process of a terminal, ended it first.
            with suppress(PlaywrightError):
                browser.close()


def _launch(installed: Installed, *, frozen_pages: bool) -> Mapping[str, Any]:
    own = {"executable_path": installed.path} if installed.path else {}
    if installed.name == "firefox":
        # A stock Firefox speaks WebDriver BiDi; without the channel Playwright expects a build of its own.
        channel = {"channel": "moz-firefox"} if installed.stock else {}
        return {**own, **channel, "firefox_user_prefs": _FIREFOX_PREFERENCES}
    frozen = {"ignore_default_args": [_FROZEN_PAGES]} if frozen_pages else {}
    # Without a window Chromium calls itself HeadlessChrome, which servers and trackers take for a bot.
    agent = f"--user-agent={chrome_user_agent(installed.version)}"
    return {**own, **frozen, "args": (*_CHROMIUM_ARGUMENTS, agent)}


def downloaded(name: str) -> str | None:
    """The path of the Chromium or Firefox that Playwright has downloaded, if it has."""
    with PLAYWRIGHT as playwright:
        path = str(getattr(playwright, name).executable_path)
    return path if Path(path).exists() and os.access(path, os.X_OK) else None
