"""WebKitGTK by WebDriver: Debian's MiniBrowser on its own virtual screen."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait
from selenium.webdriver.webkitgtk.service import Service
from urllib3.exceptions import HTTPError

from conformance.browsers.base import Browser, Installed, PageBroken, Tab, Trusted
from conformance.browsers.environment import without_proxies

_SECONDS = 15.0
# Longer than the driver's own time limits, which it reports: a response that takes longer is lost.
_ANSWER_SECONDS = 20
_LOST_ANSWERS = 2
_SCREEN = "1280x800x24"
_POLL_SECONDS = 0.02
_STOP_SECONDS = 5.0
_NOT_YET_CLICKABLE = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
_ARGUMENTS = (
    "--automation",
    "--javascript-can-open-windows-automatically=true",
)


class _Windows:
    """The windows of a WebDriver session; its commands go to one of them at a time."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver
        self._current = driver.current_window_handle

    def switch(self, handle: str) -> WebDriver:
        """Direct the session's commands to a window, unless they already go there.

        An open dialog is dismissed first: until then the driver answers no switch, not even to the same
        window.
        """
        if handle != self._current:
            with suppress(WebDriverException):  # There is no open dialog, or the window is closed.
                self.driver.switch_to.alert.dismiss()
            self.driver.switch_to.window(handle)
            self._current = handle
        return self.driver

    def open(self) -> str:
        """Open a window, direct the session's commands to it, and return its handle."""
        self.driver.switch_to.new_window("window")
        self._current = self.driver.current_window_handle
        return self._current


class _WebKitTab:
    """A window of the session; each method first directs the session's commands to it."""

    def __init__(self, windows: _Windows, handle: str) -> None:
        self._windows = windows
        self._driver = windows.driver
        self._handle = handle

    @property
    def closed(self) -> bool:
        return self._handle not in self._driver.window_handles

    @property
    def url(self) -> str:
        return self._own().current_url

    def goto(self, url: str) -> None:
        with _in_time():
            self._own().get(url)

    def run(self, script: str) -> Any:
        with _in_time():
            return self._own().execute_script(script)

    def click(self, selector: str) -> None:
        def clicked(driver: WebDriver) -> bool:
            driver.find_element(By.CSS_SELECTOR, selector).click()
            return True

        with _in_time():
            wait = WebDriverWait(self._own(), _SECONDS, _POLL_SECONDS, _NOT_YET_CLICKABLE)
            wait.until(clicked, f"no element to click at {selector}")

    def popup(self, script: str) -> Tab:
        with _in_time():
            return self._popup(script)

    def _popup(self, script: str) -> Tab:
        before = set(self._driver.window_handles)
        self.run(script)
        deadline = time.monotonic() + _SECONDS
        while not (opened := set(self._driver.window_handles) - before):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no window was opened within {_SECONDS:g} s by: {script}")
            time.sleep(_POLL_SECONDS)
        tab = _WebKitTab(self._windows, opened.pop())
        tab.wait_until("document.readyState === 'complete' && location.href !== 'about:blank'", _SECONDS)
        return tab

    def wait_until(self, condition: str, seconds: float) -> None:
        with _in_time():
            self._wait_until(condition, seconds)

    def _wait_until(self, condition: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        lost = 0
        while True:
            asked = time.monotonic()
            try:
                if self._own().execute_script(f"return Boolean({condition})"):
                    return
            except JavascriptException:
                pass  # During a navigation there is no page to evaluate it.
            except HTTPError:
                # If a page unloads during a command, the driver loses the response; that time is not counted
                # against the page. A driver that loses more than two is considered dead.
                lost += 1
                if lost > _LOST_ANSWERS:
                    raise
                deadline += time.monotonic() - asked
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true after {seconds:g} s on {self.url}: {condition}")
            time.sleep(_POLL_SECONDS)

    def screenshot(self) -> bytes:
        return self._own().get_screenshot_as_png()

    def close(self) -> None:
        with suppress(PageBroken, TimeoutError), _in_time():
            self._own().close()

    def _own(self) -> WebDriver:
        return self._windows.switch(self._handle)


@contextmanager
def _in_time() -> Iterator[None]:
    """Convert Selenium's exceptions to TimeoutError and PageBroken, as raised by every engine."""
    try:
        yield
    except TimeoutException as error:
        raise TimeoutError(error.msg) from error
    except WebDriverException as error:
        raise PageBroken(f"{type(error).__name__}: {error.msg}") from error
    except HTTPError as error:
        raise TimeoutError(
            f"no response from the driver within {_ANSWER_SECONDS} s: the page hangs"
        ) from error


class _WebKit:
    """A WebDriver session. Its first window stays empty, so that closing a tab never ends the session."""

    def __init__(self, driver: WebDriver) -> None:
        self.name = "webkit"
        self.spoiled = False
        self.version = str(driver.capabilities["browserVersion"])
        self._windows = _Windows(driver)
        self._home = driver.current_window_handle

    def tab(self, *, lasting: bool = False) -> Tab:  # noqa: ARG002 - each is a window
        with _in_time():
            self._windows.switch(self._home)
            # Windows instead of tabs: windows that a script opens from a tab are blocked as pop-ups.
            return _WebKitTab(self._windows, self._windows.open())


class _Options(webdriver.WebKitGTKOptions):
    """The options of MiniBrowser, with the certificate that it trusts, for which Selenium has no method."""

    def __init__(self, trusted: Trusted | None) -> None:
        super().__init__()
        self._trusted = trusted

    def to_capabilities(self) -> dict[str, Any]:
        """Return the capabilities of the session."""
        capabilities: dict[str, Any] = super().to_capabilities()
        if trusted := self._trusted:
            capabilities[self.KEY]["certificates"] = [
                {"host": host, "certificateFile": trusted.file} for host in trusted.hosts
            ]
        return capabilities


class _Service(Service):
    """The driver process, stopped by a signal: Selenium would use HTTP, through the user's proxy."""

    def send_remote_shutdown_command(self) -> None:
        """Do nothing: the signal that follows stops the driver."""


def _environment() -> dict[str, str]:
    """Return the environment of WebKit, in which pages have a valid language.

    From a locale such as C.UTF-8, usual in containers, it makes the language "C", for which Intl raises a
    RangeError in the page; from C it makes "en-US".
    """
    own = without_proxies()
    # Python itself sets LC_CTYPE to C.UTF-8 if there is no locale.
    named = (own.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LANG"))
    return {**own, "LC_ALL": "C"} if any(locale.startswith("C.") for locale in named) else own


@contextmanager
def webkit(installed: Installed, *, trusted: Trusted | None = None) -> Iterator[Browser]:
    """Run MiniBrowser by its driver on a virtual screen; stop all three on exit."""
    with _screen() as display:
        options = _Options(trusted)
        options.binary_location = installed.path
        # Dialogs of a page are dismissed silently, as by Playwright.
        options.unhandled_prompt_behavior = "dismiss"
        for argument in _ARGUMENTS:
            options.add_argument(argument)
        service = _Service(installed.driver, env={**_environment(), "DISPLAY": display})
        service.start()
        try:
            # Not webdriver.WebKitGTK, which waits for a response without a limit.
            config = ClientConfig(
                remote_server_addr=service.service_url,
                timeout=_ANSWER_SECONDS,
                proxy=Proxy(raw={"proxyType": ProxyType.DIRECT}),
            )
            driver = webdriver.Remote(RemoteConnection(client_config=config), options=options)
            try:
                driver.set_page_load_timeout(_SECONDS)
                driver.set_script_timeout(_SECONDS)
                yield _WebKit(driver)
            finally:
                with suppress(
                    WebDriverException, HTTPError
                ):  # The driver may have crashed, or Ctrl-C ended it.
                    driver.quit()
        finally:
            service.stop()


@contextmanager
def _screen() -> Iterator[str]:
    """Run an X server for this browser only, and yield its display name.

    With ``-noreset`` it does not reset when its last window closes, which makes the next start fail at times.
    Raises RuntimeError if the server ends at once.
    """
    reader, writer = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", _SCREEN, "-noreset", "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as display:
            number = display.readline().strip()
        if not number:
            raise RuntimeError("Xvfb ended before it opened a display: run `Xvfb -displayfd 1` to see why")
        yield f":{number}"
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
