"""What every engine offers to the checks, and how an installed one is found."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

BROWSERS = ("chromium", "firefox", "webkit")
"""The engines, in the order in which they are tried and told."""

FREEZES_ON_REQUEST = ("chromium",)
"""Engines whose back/forward cache is off unless asked for; that of the others is as they have it."""

_PROGRAMS = {
    "chromium": ("chromium-headless-shell", "chromium"),
    "firefox": ("firefox-esr", "firefox"),
    "webkit": ("MiniBrowser",),
}
# Debian's packages; a driver and a screen belong to WebKit.
_PACKAGES = {
    "chromium": "chromium-headless-shell",
    "firefox": "firefox-esr",
    "webkit": "webkit2gtk-driver xvfb xauth",
}
_MINI_BROWSERS = "*/webkit2gtk-4.*/MiniBrowser"


PLAIN_HOSTS = {"chromium": "plain.clickport.test", "firefox": "plain.clickport.test", "webkit": "localhost."}
"""A host name by engine that leads to this machine, and whose pages over http are no secure context."""


class PageBroken(RuntimeError):
    """The page did not do what was asked: it crashed, was closed or replaced, or raised an exception."""


class BrowserMissing(RuntimeError):
    """A browser that is not on this machine; the text names the command that installs it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A browser found on this machine.

    ``driver`` is the WebDriver that runs it, if it needs one; ``stock`` a build that is not Playwright's own.
    """

    name: str
    version: str
    path: str = ""
    driver: str = ""
    stock: bool = False


class Tab(Protocol):
    """A tab of a browser: the whole of what checks ask of it.

    Each method raises PageBroken if the page cannot do it, and TimeoutError if it does not answer in time.
    """

    @property
    def closed(self) -> bool:
        """Whether the tab is gone."""
        ...

    @property
    def url(self) -> str:
        """The address of the page it shows."""
        ...

    def goto(self, url: str) -> None:
        """Load a page and wait for its ``load`` event. Raises TimeoutError."""
        ...

    def run(self, script: str) -> Any:
        """Run the body of a function in the page and return what it returns, as JSON data.

        Raises TimeoutError when the page does not answer.
        """
        ...

    def click(self, selector: str) -> None:
        """Click an element as a person would, without waiting for what follows. Raises TimeoutError."""
        ...

    def popup(self, script: str) -> "Tab":
        """Run a script that opens a window, and return that window's tab once it has loaded."""
        ...

    def wait_until(self, condition: str, seconds: float) -> None:
        """Return once an expression is true in the page, or in one that follows it. Raises TimeoutError."""
        ...

    def screenshot(self) -> bytes:
        """What the tab shows, as a PNG. Raises whatever its driver does when there is nothing to show."""
        ...

    def close(self) -> None:
        """Close the tab as its user would. Wait for the end of a navigation first: an engine may hang.

        Raises nothing: a tab that does not close in time ends with its browser.
        """
        ...


class Browser(Protocol):
    """A running browser."""

    name: str
    version: str

    def tab(self) -> Tab:
        """Open a new, empty tab; tabs share cookies and cache, each has a session storage of its own."""
        ...


@cache
def find(name: str) -> Installed:
    """Return the installed browser of that name. Raises BrowserMissing, naming the way to install it."""
    found = _webkit() if name == "webkit" else _by_path(name)
    if found:
        return found
    elsewhere = f"; Ubuntu and elsewhere: python -m playwright install {name}"
    if name == "webkit":
        elsewhere = "; its driver's client: pip install 'clickport-conformance[webkit]'"
    raise BrowserMissing(f"no {name} on this machine. Debian: apt-get install {_PACKAGES[name]}{elsewhere}")


def installed() -> tuple[Installed, ...]:
    """Every engine that is on this machine. Raises BrowserMissing when there is none."""
    found = []
    for name in BROWSERS:
        with suppress(BrowserMissing):
            found.append(find(name))
    if not found:
        find(BROWSERS[0])
    return tuple(found)


@contextmanager
def start(installed: Installed, *, frozen_pages: bool = False) -> Iterator[Browser]:
    """Run a browser for the time of the context; ``frozen_pages``: with its back/forward cache on."""
    if installed.name == "webkit":
        from conformance.browsers.webkit import webkit  # noqa: PLC0415 - Selenium is needed by it alone

        with webkit(installed) as browser:
            yield browser
    else:
        from conformance.browsers.playwright_engines import by_playwright  # noqa: PLC0415 - slow to import

        with by_playwright(installed, frozen_pages=frozen_pages) as browser:
            yield browser


def _by_path(name: str) -> Installed | None:
    for program in _PROGRAMS[name]:
        if path := shutil.which(program):
            return Installed(name=name, version=_version(path), path=path, stock=True)
    from conformance.browsers.playwright_engines import downloaded  # noqa: PLC0415 - starts Playwright

    own = downloaded(name)
    return Installed(name=name, version=_version(own), path=own) if own else None


def _webkit() -> Installed | None:
    driver, screen = shutil.which("WebKitWebDriver"), shutil.which("xvfb-run")
    places = sorted(Path("/usr/lib").glob(_MINI_BROWSERS))
    if not (driver and screen and places and find_spec("selenium")):
        return None
    path = str(places[-1])
    return Installed(
        name="webkit", version=_version("xvfb-run", "-a", path), path=path, driver=driver, stock=True
    )


def _version(*command: str) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=20, check=False)
    words = [word for word in done.stdout.split() if word[0].isdigit()]
    return words[0] if words else "unknown"
