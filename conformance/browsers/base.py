"""The interface of every engine: browser, tab and exceptions."""

from dataclasses import dataclass
from typing import Any, Protocol

BROWSERS = ("chromium", "firefox", "webkit")
"""The engines, in the order in which they are searched for and reported."""

FREEZES_ON_REQUEST = ("chromium",)
"""Engines whose back/forward cache is off unless requested; the other engines keep their own default."""

PLAIN_HOSTS = {"chromium": "plain.clickport.test", "firefox": "plain.clickport.test", "webkit": "localhost."}
"""Host names, by engine, that resolve to this machine but whose http pages are not a secure context."""


CANCELS_SILENTLY = (("webkit", "http2"),)
"""Engines and protocols in which a server cannot notice that a request was cancelled.

WebKitGTK's libsoup 3.2 sends no RST_STREAM over HTTP/2: the response is dropped when it arrives.
"""


class PageBroken(RuntimeError):
    """A page that could not do what was asked: it crashed, was closed or replaced, or raised an exception."""


class BrowserMissing(RuntimeError):
    """A browser that is not installed; the message names the command that installs it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A browser found on this machine.

    ``driver`` is the path of its WebDriver, or empty if it needs none. ``stock`` is True unless it is
    Playwright's own build.
    """

    name: str
    version: str
    path: str = ""
    driver: str = ""
    stock: bool = False


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """The certificate of a site that a browser takes for valid, although no authority vouches for it.

    ``file``: its path (PEM); ``key_hash``: that of its public key (see ``write_certificate``); ``hosts``: the
    names for which it counts.
    """

    file: str
    key_hash: str
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "::1")


class Tab(Protocol):
    """A tab of a browser: everything that checks use of it.

    Unless stated otherwise, a method raises PageBroken if the page cannot do what is asked, and TimeoutError
    if it does not respond in time.
    """

    @property
    def closed(self) -> bool:
        """True if the tab has been closed."""
        ...

    @property
    def url(self) -> str:
        """The URL of the page in the tab."""
        ...

    def goto(self, url: str) -> None:
        """Load a page and wait for its ``load`` event."""
        ...

    def run(self, script: str) -> Any:
        """Run ``script`` as the body of a function in the page; return the function's result as JSON data."""
        ...

    def click(self, selector: str) -> None:
        """Click an element as a user would, without waiting for a navigation that follows."""
        ...

    def popup(self, script: str) -> "Tab":
        """Run a script that opens a window; return the tab of that window once it has loaded."""
        ...

    def wait_until(self, condition: str, seconds: float) -> None:
        """Wait until an expression is true in the page, or in a page that follows it.

        Raises TimeoutError after ``seconds``.
        """
        ...

    def screenshot(self) -> bytes:
        """Return a picture of the tab as PNG. Raises the exceptions of the driver if that fails."""
        ...

    def close(self) -> None:
        """Close the tab as a user would. Never raises: a tab that does not close ends with its browser.

        Callers wait for the end of a navigation first, because an engine may hang otherwise.
        """
        ...


class Browser(Protocol):
    """A running browser. Set ``spoiled`` if one of its pages may hang: it is not used again then."""

    name: str
    version: str
    spoiled: bool

    def tab(self, *, lasting: bool = False) -> Tab:
        """Open an empty tab. Tabs share cookies and cache; each has its own session storage.

        Several may be visible at a time. ``lasting`` says that it stays open while others come and go.
        """
        ...
