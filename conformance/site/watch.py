"""Watch the events of a site as they arrive: what the limits did to each, and what the plan says."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from conformance.protocol.amounts import plain
from conformance.protocol.outcomes import Violation
from conformance.recorder import Recorder
from conformance.recorder.exchange import Exchange
from conformance.recorder.site_front import NOT_REACHED, OWN_WORD, in_place_of, origin_of
from conformance.site.events import Event, read_event
from conformance.site.plan import Plan
from conformance.site.plan_check import differences
from conformance.tls import trusted_authorities

PAGE = "/clickport-watch"
_HTML = Path(__file__).with_name("watch.html")
_TICK = 0.25
_ASK_SECONDS = 5.0
_REFUSED = 400


@dataclass(frozen=True, kw_only=True)
class WatchedEvent:
    """An event with its time of day, and one line for each effect of a limit and difference to the plan.

    A request that cannot be read has no ``event``; ``problems`` says why.
    """

    at: str
    event: Event | None
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the text for the terminal."""
        yield f"{self.at}  {self.event or 'unreadable'}"
        yield from (f"          limit: {remark}" for remark in self.remarks)
        yield from (f"          {problem}" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return the data of the local page."""
        event = self.event
        return {
            "at": self.at,
            "name": event.name if event else "unreadable",
            "properties": dict(event.properties) if event else {},
            "revenue": f"{plain(event.revenue[0])} {event.revenue[1]}" if event and event.revenue else "",
            "remarks": self.remarks,
            "problems": self.problems,
        }


class Watch:
    """A watch of one site; ``address`` is where to open it, ``page`` where its events are shown.

    ``entry`` is the address with user and password, if the site's URL has them.
    """

    def __init__(self, recorder: Recorder, url: str, endpoints: tuple[str, ...], plan: Plan | None) -> None:
        self._recorder = recorder
        self._plan = plan
        origin = origin_of(url)
        others = [each for each in map(origin_of, endpoints) if each != origin]
        self._origins = recorder.front(origin, *others)
        self.address = in_place_of(url, self._origins[0])
        self.entry = in_place_of(url, self._origins[0], user=True)
        self.page = f"{recorder.page_origin}{PAGE}"
        self.seen: list[WatchedEvent] = []
        recorder.mount(PAGE, _HTML.read_bytes(), "text/html; charset=utf-8")
        self._publish()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far."""
        return tuple(each.event for each in self.seen if each.event)

    @property
    def as_planned(self) -> bool:
        """True if no event differs from the plan, and each could be read."""
        return not any(each.problems for each in self.seen)

    def unreachable(self) -> str:
        """Ask for the page; return the reason if the site cannot be reached, else ""."""
        try:
            answer = httpx.get(
                self.entry, timeout=_ASK_SECONDS, trust_env=False, verify=trusted_authorities()
            )
        except httpx.HTTPError:
            return ""
        return answer.text if answer.status_code == NOT_REACHED and answer.text.startswith(OWN_WORD) else ""

    def silence(self, state: Mapping[str, Any]) -> str:
        """Return the reason why a page sends nothing, from its answer to ``PROBE``; "" if it shows none."""
        if state["origin"] not in self._origins:
            return (
                f"the page went on to {state['origin']}: name that origin with --endpoint {state['origin']}"
            )
        if state["status"] >= _REFUSED:
            return f"the site answered {state['status']} to {state['path']}"
        if state["track"] != "function":
            return "the page has no clickport.track: the tracker's script is not included or did not load"
        if state["automated"] and not self.seen:
            return (
                "the page has a tracker, which may be silent because the browser is automated "
                "(navigator.webdriver): open the printed address in a browser of your own, without --browser"
            )
        return ""

    def follow(
        self, show: Callable[[WatchedEvent], None], *, until: str = "", seconds: float | None = None
    ) -> bool:
        """Show each event as it arrives, until one has the name ``until`` or the time is over.

        Return True if that event has arrived.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        taken: set[int] = set()
        number = 0
        while deadline is None or time.monotonic() < deadline:
            exchanges = self._recorder.wait(
                number + 1, seconds=_TICK, method="POST", events=True, origins=self._origins
            )
            number = len(exchanges)
            for exchange in (each for each in exchanges if each.id not in taken):
                taken.add(exchange.id)
                if found := self._read(exchange):
                    self.seen.append(found)
                    self._publish()
                    show(found)
                    if until and found.event and found.event.name == until:
                        return True
        return False

    def _read(self, exchange: Exchange) -> WatchedEvent | None:
        at = time.strftime("%H:%M:%S", time.localtime(exchange.started))
        try:
            event = read_event(exchange.body, seconds=exchange.started)
        except Violation as violation:
            return WatchedEvent(at=at, event=None, problems=(str(violation),))
        if event is None:
            return None
        found = differences(self._plan, event) if self._plan else ()
        problems = tuple(f"{each.rule}: {each.text}" for each in found)
        return WatchedEvent(at=at, event=event, remarks=event.remarks, problems=problems)

    def _publish(self) -> None:
        body = json.dumps([each.to_json() for each in self.seen[-200:]]).encode()
        self._recorder.mount(f"{PAGE}.json", body, "application/json")


@contextmanager
def watching(url: str, endpoints: tuple[str, ...], plan: Plan | None) -> Iterator[Watch]:
    """Run a recorder in front of a site. Raises ValueError if a URL is not one of a site."""
    origin_of(url)
    with Recorder() as recorder:
        yield Watch(recorder, url, endpoints, plan)
