"""Chromium by Playwright: the system's own, or Playwright's download where there is one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from conformance.browsers.engine import Browser, Installed, Tab

# Nothing but the pages under test: no update checks, no QUIC, no first-run pages, no GPU.
_ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
)
_SECONDS = 15.0
_POLL_SECONDS = 0.02


class _ChromiumTab:
    def __init__(self, page: Page) -> None:
        self._page = page

    @property
    def closed(self) -> bool:
        return self._page.is_closed()

    @property
    def url(self) -> str:
        return self._page.url

    def goto(self, url: str) -> None:
        self._page.goto(url, wait_until="load")

    def run(self, script: str) -> Any:
        return self._page.evaluate(f"() => {{ {script} }}")

    def click(self, selector: str) -> None:
        self._page.click(selector, no_wait_after=True)

    def popup(self, script: str) -> Tab:
        with self._page.expect_popup() as opened:
            self.run(script)
        opened.value.wait_for_load_state("load")
        return _ChromiumTab(opened.value)

    def wait_until(self, condition: str, seconds: float) -> None:
        try:
            self._page.wait_for_function(condition, timeout=seconds * 1000, polling=_POLL_SECONDS * 1000)
        except PlaywrightTimeoutError as error:
            raise TimeoutError(f"not so after {seconds:g} s: {condition}; it shows {self.url}") from error

    def close(self) -> None:
        self._page.close()


class _Chromium:
    def __init__(self, context: BrowserContext, version: str) -> None:
        self.name = "chromium"
        self.version = version
        self._context = context

    def tab(self) -> Tab:
        return _ChromiumTab(self._context.new_page())


@contextmanager
def chromium(installed: Installed) -> Iterator[Browser]:
    """Run Chromium with one context, in which tabs are opened."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed.path or None, args=_ARGUMENTS)
        context = browser.new_context()
        context.set_default_timeout(_SECONDS * 1000)
        try:
            yield _Chromium(context, browser.version)
        finally:
            browser.close()


def downloaded() -> str | None:
    """The path of the Chromium that Playwright has downloaded, if it has."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and os.access(path, os.X_OK) else None
