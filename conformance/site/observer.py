"""The ``clickport`` object of a test: events at the recorder, expectations on them, proofs of absence."""

import asyncio
import fnmatch
import inspect
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from conformance.protocol.outcomes import Violation
from conformance.recorder import Recorder
from conformance.recorder.site_front import in_place_of, origin_of
from conformance.site.events import Event, read_event
from conformance.site.expected import Expectation, arrived, failure
from conformance.site.pages import ANSWER_SECONDS, PROBE, Page, sentinel_script
from conformance.site.plan import Plan
from conformance.site.plan_check import differences
from conformance.site.snapshot import compare

SECONDS = 5.0
_UNPROVED_SECONDS = 0.5
_SENTINEL = "clickport-sentinel-"
_SILENT = (
    "the tracker is on the page, and its track() sends nothing, although the browser is automated "
    "(navigator.webdriver is true): call clickport.disguise(page) before the first goto, or use a build "
    "without that rule"
)
_ASYNC = "this page is of Playwright's async API: await expect_async, none_async or snapshot_async"
_numbers = count(1)

Script = tuple[Callable[[str], Any], str]
Steps = Generator[Script, Any, None]


class Clickport:
    """The events of one test, as they arrive at a socket outside the browser.

    ``endpoints`` are further origins of the site: of the endpoint or of the tracker's script. Failures raise
    AssertionError.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        plan: Plan | None = None,
        endpoints: Sequence[str] = (),
        snapshot: Path | None = None,
        update: bool = False,
        base_url: str = "",
    ) -> None:
        self._recorder = recorder
        self._plan = plan
        self._endpoints = tuple(map(origin_of, endpoints))
        self._snapshot = snapshot
        self._update = update
        self._base_url = base_url
        self._fronts: dict[str, list[str]] = {}
        self._pages: list[Page] = []
        self._taken: list[int] = []
        self._expected: list[Expectation] = []

    def site(self, url: str) -> str:
        """Return the address at which the site's page is reached through the recorder.

        Raises ValueError unless ``url`` is an absolute http or https URL.
        """
        origin = origin_of(url)
        if any(origin in front for front in self._fronts.values()):
            return url  # The URL is an address of the recorder already.
        if origin not in self._fronts:
            others = [each for each in self._endpoints if each != origin]
            self._fronts[origin] = self._recorder.front(origin, *others)
        return in_place_of(url, self._fronts[origin][0], user=True)

    def attach(self, page: Any) -> Any:
        """Lead every ``goto`` of a page through the recorder, and observe the page; return it.

        ``page`` is Playwright's, of the sync or async API, or a driver of Selenium.
        """
        self.observe(page).wrap_navigation(lambda url: self.site(self._absolute(url)))
        return page

    def observe(self, page: Any) -> Page:
        """Observe a page: its errors are shown in failures, and sentinels are sent from it."""
        known = next((each for each in self._pages if each.page is page), None)
        if known is None:
            known = Page(page)
            self._pages.append(known)
        return known

    def disguise(self, page: Any) -> Any:
        """Hide from the site that its browser is automated. Await the result with the async API."""
        return self.observe(page).disguise()

    @property
    def events(self) -> tuple[Event, ...]:
        """The custom events so far, in the order of their arrival."""
        return tuple(event for _, event in self._events())

    def expect(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        *,
        revenue: Any = None,
        times: int = 1,
        exactly: bool = False,
        seconds: float = SECONDS,
    ) -> tuple[Event, ...]:
        """Wait for an event that arrives exactly ``times``; return the events.

        See Expectation for the comparison. Events that an earlier call has returned do not count again.
        """
        expectation = Expectation(
            name=name, properties=properties or {}, revenue=revenue, times=times, exactly=exactly
        )
        __tracebackhide__ = True
        events: tuple[Event, ...] = self._run(self._expect(expectation, seconds))
        return events

    async def expect_async(
        self,
        name: str,
        properties: Mapping[str, Any] | None = None,
        *,
        revenue: Any = None,
        times: int = 1,
        exactly: bool = False,
        seconds: float = SECONDS,
    ) -> tuple[Event, ...]:
        """Do as ``expect`` does, for a page of Playwright's async API."""
        expectation = Expectation(
            name=name, properties=properties or {}, revenue=revenue, times=times, exactly=exactly
        )
        events: tuple[Event, ...] = await self._run_async(self._expect(expectation, seconds))
        return events

    def none(self, pattern: str) -> None:
        """Prove that no event with a name like ``pattern`` (a glob) has arrived or is on its way.

        Events that ``expect`` has returned do not count. The proof is a later event from each open page.
        """
        __tracebackhide__ = True
        self._run(self._none(pattern))

    async def none_async(self, pattern: str) -> None:
        """Do as ``none`` does, for a page of Playwright's async API."""
        await self._run_async(self._none(pattern))

    def snapshot(self, name: str = "") -> None:
        """Compare the whole sequence of events with a reviewed file beside the test.

        The file is written by ``--clickport-update-snapshots``.
        """
        self._run(self._settle(required=False))
        self._compare(name)

    async def snapshot_async(self, name: str = "") -> None:
        """Do as ``snapshot`` does, for a page of Playwright's async API."""
        await self._run_async(self._settle(required=False))
        self._compare(name)

    def _compare(self, name: str) -> None:
        if self._snapshot is None:
            raise ValueError("a snapshot needs a place: use the fixture, or pass one")
        file = f"{self._snapshot}{f'-{name}' if name else ''}.txt"
        compare(Path(file), self.events, update=self._update)

    def conclude(self) -> None:
        """Raise AssertionError for events that came again after all, and for differences to the plan."""
        __tracebackhide__ = True
        if not any(page.is_async for page in self._pages):
            self._run(self._settle(required=False))
        late = [
            f"{expectation}: it has arrived once more since: {event}"
            for id_, event in self._events()
            for expectation in self._expected
            if id_ not in self._taken and not expectation.differences(event)
        ]
        if self._plan:
            plan = self._plan
            found = (each for event in self.events for each in differences(plan, event))
            late += [f"{each.rule} {each.event}: {each.text} (plan {plan.path})" for each in found]
        if late:
            raise AssertionError("\n".join([*dict.fromkeys(late), *arrived(self.events)]))

    def close(self) -> None:
        """Stop standing in for the sites of this test, and forget its events."""
        for origins in self._fronts.values():
            self._recorder.end_front(*origins)
        self._fronts.clear()

    def _expect(self, expectation: Expectation, seconds: float) -> Generator[Script, Any, tuple[Event, ...]]:
        __tracebackhide__ = True
        deadline = time.monotonic() + seconds
        number = 0
        while True:
            matching = self._matching(expectation)
            left = deadline - time.monotonic()
            if len(matching) >= expectation.times or left <= 0:
                break
            number = len(self._exchanges())
            self._wait(number + 1, min(left, 1.0))
        # Events that follow at once, of a doubled call, come before the sentinel.
        yield from self._settle(required=False)
        matching = self._matching(expectation)
        if len(matching) != expectation.times:
            hints = yield from self._hints(nothing=not self.events)
            headline = f"arrived {_times(len(matching))}, expected {_times(expectation.times)}"
            raise AssertionError(failure(headline, expectation, self._left(), hints))
        self._expected.append(expectation)
        self._taken += [id_ for id_, _ in matching]
        return tuple(event for _, event in matching)

    def _none(self, pattern: str) -> Steps:
        __tracebackhide__ = True
        yield from self._settle(required=True)
        found = [event for event in self._left() if fnmatch.fnmatchcase(event.name, pattern)]
        if found:
            raise AssertionError("\n".join([f"none({pattern!r}): {_times(len(found))}", *arrived(found)]))

    def _settle(self, *, required: bool) -> Steps:
        """Send sentinels from every document and wait for them, so that what was sent before has arrived.

        Two rounds: a request that began earlier on another connection has the time of a round trip to arrive.
        With ``required``, raises AssertionError if there is no page to send one from, or if none arrives.
        """
        for _ in range(2):
            sent: list[str] = []
            for page in self._pages if self._fronts else ():
                for evaluate in page.evaluators():
                    token = f"{_SENTINEL}{next(_numbers)}"
                    kind = yield evaluate, sentinel_script(token)
                    if kind is not None:
                        sent.append(token if kind == "function" else f"{token}-plain")
            if not sent and required:
                raise AssertionError(
                    "absence cannot be proved: no page is open that could send a sentinel. Use the page of "
                    "pytest-playwright, or call clickport.attach(page) first"
                )
            complete = all(self._arrived(token, SECONDS if required else _UNPROVED_SECONDS) for token in sent)
            if not complete and not required:
                return  # A page that sends nothing; the expectation says so.
            if not complete:
                hints = yield from self._hints(nothing=True)
                lines = ["absence cannot be proved: the sentinel did not arrive", *hints]
                raise AssertionError("\n".join(lines))

    def _arrived(self, token: str, seconds: float) -> bool:
        wanted = {"method": "POST", "token": f'"{token}"', "origins": self._origins()}
        return bool(self._recorder.wait(1, seconds=seconds, **wanted))

    def _hints(self, *, nothing: bool) -> Generator[Script, Any, list[str]]:
        hints: list[str] = []
        if not self._fronts:
            hints.append(
                "no page came through the recorder: use clickport.site(url) or clickport.attach(page)"
            )
        elif nothing:
            for page in self._pages:
                for evaluate in page.evaluators():
                    state = yield evaluate, PROBE
                    hints += self._state(state) if isinstance(state, dict) else []
        errors = [error for page in self._pages for error in page.errors]
        return [*dict.fromkeys(hints), *(["console errors:"] if errors else []), *(f"  {e}" for e in errors)]

    def _state(self, state: Mapping[str, Any]) -> list[str]:
        """Return the reason why a page sends nothing, if its state shows one."""
        if state["origin"] not in self._origins():
            return [f"the page is at {state['origin']}: open it by clickport.site(url) or after attach(page)"]
        if state["track"] != "function":
            return ["the page has no clickport.track: the tracker's script is not included or did not load"]
        return [_SILENT] if state["automated"] else []

    def _absolute(self, url: str) -> str:
        return url if "://" in url else f"{self._base_url.rstrip('/')}/{url.lstrip('/')}"

    def _origins(self) -> list[str]:
        return [origin for origins in self._fronts.values() for origin in origins]

    def _exchanges(self) -> list[Any]:
        return self._wait(0, 0)

    def _wait(self, number: int, seconds: float) -> list[Any]:
        if not self._fronts:
            time.sleep(min(seconds, 0.05))  # A poll: the caller has the deadline.
            return []
        return self._recorder.wait(
            number, seconds=seconds, method="POST", origins=self._origins(), events=True
        )

    def _events(self) -> list[tuple[int, Event]]:
        found = []
        for exchange in self._exchanges():
            try:
                event = read_event(exchange.body, seconds=exchange.started)
            except Violation as violation:
                raise AssertionError(
                    f"a request to {exchange.path} is not an event: {violation}"
                ) from violation
            if event and not event.name.startswith(_SENTINEL):
                found.append((exchange.id, event))
        return found

    def _left(self) -> list[Event]:
        return [event for id_, event in self._events() if id_ not in self._taken]

    def _matching(self, expectation: Expectation) -> list[tuple[int, Event]]:
        untaken = (each for each in self._events() if each[0] not in self._taken)
        return [each for each in untaken if not expectation.differences(each[1])]

    def _run(self, steps: Generator[Script, Any, Any]) -> Any:
        __tracebackhide__ = True
        result: Any = None
        try:
            while True:
                evaluate, script = steps.send(result)
                result = _attempt(evaluate, script)
                if inspect.isawaitable(result):
                    _discard(result)
                    raise TypeError(_ASYNC)
        except StopIteration as stop:
            return stop.value

    async def _run_async(self, steps: Generator[Script, Any, Any]) -> Any:
        result: Any = None
        while True:
            # The recorder is waited for in a thread, so that the page's own handlers can run.
            step = await asyncio.to_thread(_next, steps, result)
            if step[0] == "end":
                return step[1]
            evaluate, script = step[1]
            result = _attempt(evaluate, script)
            if inspect.isawaitable(result):
                try:
                    result = await asyncio.wait_for(result, ANSWER_SECONDS)
                except Exception:  # The document may be gone.
                    result = None


def _next(steps: Generator[Script, Any, Any], result: Any) -> tuple[str, Any]:
    try:
        return "script", steps.send(result)
    except StopIteration as stop:
        return "end", stop.value


def _attempt(evaluate: Callable[[str], Any], script: str) -> Any:
    """Return the result of a script, or None if its document is gone."""
    try:
        return evaluate(script)
    except Exception:  # Each driver raises its own types.
        return None


def _discard(awaitable: Any) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
