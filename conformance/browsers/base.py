"""The interface of every engine: a browser, its tabs, and the faults they raise."""

from dataclasses import dataclass
from typing import Any, Protocol

BROWSERS = ("chromium", "firefox", "webkit")
"""The engines, in the order in which they are tried and told."""

FREEZES_ON_REQUEST = ("chromium",)
"""Engines whose back/forward cache is off unless asked for; that of the others is as they have it."""

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
