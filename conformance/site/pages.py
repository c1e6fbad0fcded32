"""Pages of a test, by Playwright (sync or async) or by Selenium: scripts in them, and their errors."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

PROBE = """(() => {
  const track = window.clickport && window.clickport.track
  return { track: typeof track, automated: navigator.webdriver === true, host: location.hostname,
    origin: location.origin, path: location.pathname,
    status: performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0 }
})()"""
_SENTINEL = """(() => {
  const track = window.clickport && window.clickport.track
  if (typeof track === 'function') track('%s')
  fetch('/api/event', { method: 'POST', keepalive: true, credentials: 'omit',
    body: JSON.stringify({ t: 'e', n: '%s-plain', mk: [], mv: [] }) }).catch(() => 0)
  return typeof track
})()"""
DISGUISE = "Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false, configurable: true })"
_OWN = "clickport_own"
ANSWER_SECONDS = 5.0
"""Time for a page to answer: Playwright has no limit of its own, and a busy page never does."""
_MOST_ERRORS = 20


def sentinel_script(token: str) -> str:
    """Return a script that sends two events: ``token`` by the tracker if there is one, and one without it."""
    return _SENTINEL % (token, token)


class Page:
    """A page of the user's test and the others of its browser context; collects their errors."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.selenium = hasattr(page, "execute_script")
        self.is_async = not self.selenium and inspect.iscoroutinefunction(page.goto)
        if not self.selenium:
            page.context.on("console", self._console)
            page.context.on("weberror", lambda each: self._error(each.error))

    @property
    def origins(self) -> Iterator[str]:
        """The URLs of the open pages."""
        if self.selenium:
            yield str(self.page.current_url)
        else:
            yield from (str(page.url) for page in self.page.context.pages)

    def wrap_navigation(self, address: Callable[[str], str]) -> None:
        """Make ``goto`` (Selenium: ``get``) of this page go to ``address(url)``."""
        name = "get" if self.selenium else "goto"
        current = getattr(self.page, name)
        # A page that outlives a test is attached again: its address then is that of the last test alone.
        own = getattr(current, _OWN, current)

        def navigate(url: str, *rest: Any, **named: Any) -> Any:
            return own(address(url), *rest, **named)

        setattr(navigate, _OWN, own)
        setattr(self.page, name, navigate)

    def evaluators(self) -> Iterator[Callable[[str], Any]]:
        """Yield a function for each document: the frames of every open page. The results may be awaitable."""
        if self.selenium:
            yield lambda script: self.page.execute_script(f"return {script}")
            return
        for page in self.page.context.pages:
            if not page.is_closed():
                for frame in page.frames:
                    if frame.url.startswith("http"):
                        yield frame.evaluate if self.is_async else self._bounded(frame)

    def _bounded(self, frame: Any) -> Callable[[str], Any]:
        """Return ``evaluate`` of a frame of the sync API, with a time limit."""

        def evaluate(script: str) -> Any:
            # The public API has no limit here.
            answer = frame._impl_obj.evaluate(script)
            return self.page._sync(asyncio.wait_for(answer, ANSWER_SECONDS))

        return evaluate

    def disguise(self) -> Any:
        """Hide from pages that come that they are automated. Must be awaited with the async API."""
        if self.selenium:
            raise TypeError(
                "disguise() needs Playwright; with Selenium start the browser with its own option"
            )
        return self.page.context.add_init_script(DISGUISE)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self._error(message.text)

    def _error(self, text: object) -> None:
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(str(text).partition("\n")[0])
