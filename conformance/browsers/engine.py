"""Installed browsers: search by engine, and start."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from conformance import processes
from conformance.browsers.base import BROWSERS, Browser, BrowserMissing, Installed, Trusted

_PROGRAMS = {
    "chromium": ("chromium-headless-shell", "chromium"),
    "firefox": ("firefox-esr", "firefox"),
    "webkit": ("MiniBrowser",),
}
# Debian packages; WebKit also needs a driver and a virtual screen.
_PACKAGES = {
    "chromium": "chromium-headless-shell",
    "firefox": "firefox-esr",
    "webkit": "webkit2gtk-driver xvfb xauth",
}
# Programs that keep pages in the back/forward cache: Chromium's headless shell never does.
_KEEPS_PAGES = {"chromium": "chromium"}
# The newest Playwright that is known to drive an engine: 1.65 cannot drive the stock Firefox ESR.
_DRIVES = {"chromium": (1, 65), "firefox": (1, 64)}
_MINI_BROWSERS = "*/webkit2gtk-4.*/MiniBrowser"


@cache
def find(name: str) -> Installed:
    """Return the installed browser of an engine. Raises BrowserMissing, which names the way to install it."""
    found = _webkit() if name == "webkit" else _by_path(name)
    if found:
        return found
    if problem := unusable(name):
        raise BrowserMissing(problem)
    elsewhere = f"; Ubuntu and elsewhere: python -m playwright install {name}"
    if name == "webkit":
        elsewhere = "; its driver's client: pip install 'clickport-conformance[webkit]'"
    raise BrowserMissing(f"no {name} on this machine. Debian: apt-get install {_PACKAGES[name]}{elsewhere}")


def unusable(name: str) -> str:
    """Return why the installed browser of an engine cannot be used, with the way out; "" if it is not so."""
    problems = [_problem(each) for each in _candidates(name)]
    return problems[0] if problems and all(problems) else ""


def installed() -> tuple[Installed, ...]:
    """Return every browser on this machine, one per engine. Raises BrowserMissing if none is installed."""
    found = []
    for name in BROWSERS:
        with suppress(BrowserMissing):
            found.append(find(name))
    if not found:
        find(BROWSERS[0])
    return tuple(found)


@contextmanager
def start(
    installed: Installed, *, frozen_pages: bool = False, trusted: Trusted | None = None
) -> Iterator[Browser]:
    """Run a browser until the context ends.

    With ``frozen_pages`` its back/forward cache is on; Chromium itself runs then, if it is installed, instead
    of its headless shell. Chromium trusts the key of ``trusted`` and no other, WebKitGTK its certificate for
    its hosts. If it is given, Firefox, which has no such option, accepts every certificate for as long as it
    runs.
    """
    if frozen_pages:
        installed = _keeping_pages(installed)
    if installed.name == "webkit":
        from conformance.browsers.webkit import webkit  # noqa: PLC0415 - Selenium is needed by it alone

        with webkit(installed, trusted=trusted) as browser:
            yield browser
    else:
        from conformance.browsers.playwright_engines import by_playwright  # noqa: PLC0415 - slow to import

        with by_playwright(installed, frozen_pages=frozen_pages, trusted=trusted) as browser:
            yield browser


@contextmanager
def kept_running() -> Iterator[None]:
    """Keep Chromium and Firefox running between uses in the block; each use has cookies of its own."""
    from conformance.browsers.playwright_engines import kept_running as kept  # noqa: PLC0415 - slow to import

    with kept():
        yield


def _keeping_pages(installed: Installed) -> Installed:
    """Return the engine's program that keeps pages in its back/forward cache, or the given one without it."""
    path = shutil.which(_KEEPS_PAGES.get(installed.name, ""))
    return replace(installed, path=path, version=_version(path)) if path and installed.stock else installed


def _by_path(name: str) -> Installed | None:
    return next((each for each in _candidates(name) if not _problem(each)), None)


def _candidates(name: str) -> Iterator[Installed]:
    """Yield the system's Chromium or Firefox, then the one that Playwright has downloaded."""
    if name == "webkit":
        return
    if stock := _stock(name):
        yield stock
    from conformance.browsers.playwright_engines import downloaded, version_of  # noqa: PLC0415 - slow to import

    if own := downloaded(name):
        found = Installed(name=name, version="", path=own)
        # On Windows `chrome.exe --version` opens a window.
        yield replace(found, version=_version(own) if processes.is_posix() else version_of(found))


def _problem(installed: Installed) -> str:
    """Return why Playwright cannot drive a browser, with the way out; "" if it can, or is known to."""
    number, (major, minor) = version("playwright"), _DRIVES[installed.name]
    if tuple(map(int, number.split(".")[:2])) <= (major, minor):
        return ""
    from conformance.browsers.playwright_engines import problem_with  # noqa: PLC0415 - slow to import

    if not (why := problem_with(installed)):
        return ""
    way_out = f"pip install 'playwright<{major}.{minor + 1}'"
    if installed.stock:
        way_out += f", or get its own build: python -m playwright install {installed.name}"
    named = f"{installed.name.capitalize()} {installed.version} at {installed.path}"
    return f"Playwright {number} cannot drive {named} ({why}): {way_out}"


@cache
def _stock(name: str) -> Installed | None:
    """Return the browser of the system's packages, or None."""
    for program in _PROGRAMS[name]:
        if path := shutil.which(program):
            return Installed(name=name, version=_version(path), path=path, stock=True)
    return None


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
