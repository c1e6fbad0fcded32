"""Watch the events of a site as they arrive: what the limits did to each, and what the plan says."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from conformance.paths import bundled
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
_SHOWN = 200
# Not those of the system, which may take a script for plain text: a browser runs no such module.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_TICK = 0.25
_ASK_SECONDS = 5.0
_REFUSED = 400


@dataclass(frozen=True, kw_only=True)
class WatchedEvent:
    """An event with its time of day, and one line for each effect of a limit and difference to the plan.

    A request that cannot be read has no ``event``; ``problems`` says why. A problem is a rule and a text.
    ``seconds`` is the time of arrival since the epoch.
    """

    seconds: float
    event: Event | None
    remarks: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the text for the terminal."""
        at = time.strftime("%H:%M:%S", time.localtime(self.seconds))
        yield f"{at}  {self.event or 'unreadable'}"
        yield from (f"          limit: {remark}" for remark in self.remarks)
        yield from (f"          {rule}: {text}" for rule, text in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return what the list of the dashboard's live page shows of an event."""
        event = self.event
        amount, currency = (event and event.revenue) or (None, None)
        return {
            "received": datetime.fromtimestamp(self.seconds, UTC).isoformat(),
            "name": event.name if event else "unreadable",
            "parts": {"Properties": dict(event.properties)} if event and event.properties else {},
            "revenue": {
                "revenue_source_amount": None if amount is None else plain(amount),
                "revenue_source_currency": currency,
            },
            "notes": self.remarks,
            "advice": [{"rule": rule, "text": text} for rule, text in self.problems],
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
        self._taken: set[int] = set()
        self._site = origin
        recorder.mount(PAGE, _HTML.read_bytes(), "text/html; charset=utf-8")
        for name, file in _parts():
            recorder.mount(f"{PAGE}/{name}", file.read_bytes(), _TYPES[file.suffix])
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
        """Show each event once, as it arrives, until one has the name ``until`` or the time is over.

        Return True if that event has arrived.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            exchanges = self._recorder.wait(
                len(self._taken) + 1, seconds=_TICK, method="POST", events=True, origins=self._origins
            )
            for exchange in (each for each in exchanges if each.id not in self._taken):
                self._taken.add(exchange.id)
                if found := self._read(exchange):
                    self.seen.append(found)
                    self._publish()
                    show(found)
                    if until and found.event and found.event.name == until:
                        return True
        return False

    def _read(self, exchange: Exchange) -> WatchedEvent | None:
        seconds = exchange.started
        try:
            event = read_event(exchange.body, seconds=seconds)
        except Violation as violation:
            return WatchedEvent(seconds=seconds, event=None, problems=(("request", str(violation)),))
        if event is None:
            return None
        found = differences(self._plan, event) if self._plan else ()
        problems = tuple((each.rule, each.text) for each in found)
        return WatchedEvent(seconds=seconds, event=event, remarks=event.remarks, problems=problems)

    def _publish(self) -> None:
        """Give the page the newest events; each has a number, from 1."""
        first = max(0, len(self.seen) - _SHOWN)
        events = [{"number": n, **each.to_json()} for n, each in enumerate(self.seen[first:], first + 1)]
        shown = {"site": self._site, "open": self.address, "events": events}
        self._recorder.mount(f"{PAGE}.json", json.dumps(shown).encode(), "application/json")


def _parts() -> Iterator[tuple[str, Path]]:
    """Yield the paths and files of the page's parts; most are those of the dashboard's live page."""
    yield "watch.js", _HTML.with_suffix(".js")
    static = bundled("reference_server/web/dashboard/static")
    for name in ("arrivals.js", "elements.js", "money.js", "base.css", "panels.css", "icon.svg"):
        yield name, static / name
    # A checkout without npm has no font.
    for font in sorted(static.glob("vendor/inter/*.woff2")):
        yield font.relative_to(static).as_posix(), font


@contextmanager
def watching(url: str, endpoints: tuple[str, ...], plan: Plan | None) -> Iterator[Watch]:
    """Run a recorder in front of a site. Raises ValueError if a URL is not one of a site."""
    origin_of(url)
    with Recorder() as recorder:
        yield Watch(recorder, url, endpoints, plan)
