"""What every engine offers to the checks, and how an installed one is found."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

_DEBIAN = {"chromium": ("chromium-headless-shell", "chromium")}


class BrowserMissing(RuntimeError):
    """A browser that is not on this machine; the text names the command that installs it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A browser found on this machine; an empty ``path`` is Playwright's own download."""

    name: str
    version: str
    path: str = ""


class Tab(Protocol):
    """A tab of a browser: the whole of what checks ask of it."""

    @property
    def closed(self) -> bool:
        """Whether the tab is gone."""
        ...

    @property
    def url(self) -> str:
        """The address of the page it shows."""
        ...

    def goto(self, url: str) -> None:
        """Load a page and wait for its ``load`` event."""
        ...

    def run(self, script: str) -> Any:
        """Run the body of a function in the page and return what it returns, as JSON data."""
        ...

    def click(self, selector: str) -> None:
        """Click an element as a person would, without waiting for what follows."""
        ...

    def popup(self, script: str) -> "Tab":
        """Run a script that opens a window, and return that window's tab once it has loaded."""
        ...

    def wait_until(self, condition: str, seconds: float) -> None:
        """Return once an expression is true in the page, or in one that follows it. Raises TimeoutError."""
        ...

    def close(self) -> None:
        """Close the tab as its user would. Wait for the end of a navigation first: an engine may hang."""
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
    for program in _DEBIAN[name]:
        if path := shutil.which(program):
            return Installed(name=name, version=_version(path), path=path)
    from conformance.browsers.chromium import downloaded  # noqa: PLC0415 - starts Playwright, seldom needed

    if own := downloaded():
        return Installed(name=name, version=_version(own), path=own)
    raise BrowserMissing(
        f"no {name} on this machine. Debian: apt-get install {_DEBIAN[name][0]}; Ubuntu and "
        f"elsewhere: python -m playwright install {name}"
    )


@contextmanager
def start(installed: Installed) -> Iterator[Browser]:
    """Run a browser for the time of the context."""
    from conformance.browsers.chromium import chromium  # noqa: PLC0415 - Playwright is slow to import

    with chromium(installed) as browser:
        yield browser


def _version(path: str) -> str:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    words = [word for word in done.stdout.split() if word[0].isdigit()]
    return words[0] if words else "unknown"
