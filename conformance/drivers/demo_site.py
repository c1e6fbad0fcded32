"""A site for one case alone: sends events of its visitors and compares what its dashboard reports.

Expected figures are exact, because nothing else sends to the site. After a case's events comes a last one.
Once the dashboard has counted that, any earlier event that it has not counted is missing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from conformance.drivers.canary import bent_figure, run_canary
from conformance.drivers.posted_batch import sender_to
from conformance.drivers.requests import Request, RequestSender, as_json
from conformance.harness.dashboard_api import ApiAnswer, Dashboard
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_ROW_SECONDS, ROW_SECONDS, Instruments
from conformance.protocol.outcomes import Violation

LAST = "last event"
"""The name of the event that ``settle`` sends, once, by the first visitor."""

NEW_NAME_SECONDS = 10.0
"""Seconds within which a new name must appear; the documentation says "within a few seconds"."""

# A page that takes long to open, as on a busy machine, gets this many times its opening, up to a maximum.
_OPENINGS, _MOST_NEW_NAME_SECONDS = 4.0, 30.0

# The limit once a wait of the same kind has timed out.
_SHORT_SECONDS = 1.0
_POLL_SECONDS = 0.1
_SHOWN = 500


class Site:
    """A site with its visitors, and its API read as plain values."""

    def __init__(
        self, instruments: Instruments, evidence: Evidence, domain: str, sender: RequestSender
    ) -> None:
        self.instruments = instruments
        self.evidence = evidence
        self.domain = domain
        self.dashboard: Dashboard = instruments.dashboard
        self._sender = sender
        evidence.sent, evidence.received = [], {}

    def track(
        self,
        name: str,
        properties: Mapping[str, str] | None = None,
        *,
        visitor: int = 1,
        times: int = 1,
        revenue: tuple[float, str] | None = None,
    ) -> None:
        """Send a custom event ``times`` times, as ``clickport.track`` does. Raises Violation if refused."""
        money = {"ra": revenue[0], "rc": revenue[1]} if revenue else {}
        keys, values = list(properties or ()), list((properties or {}).values())
        self._send({"t": "e", "n": name, "mk": keys, "mv": values, **money}, visitor, times)

    def view(self, *, visitor: int = 1, times: int = 1) -> None:
        """Send a pageview ``times`` times. Raises Violation if refused."""
        self._send({"t": "p"}, visitor, times)

    def settle(self) -> None:
        """Send the last event and wait until the list of events has it. Raises Violation on timeout."""
        self.track(LAST)
        deadline = time.monotonic() + (_SHORT_SECONDS if self.dashboard.silent else ROW_SECONDS)
        while (LAST, 1) not in self.events(limit=1000):
            if time.monotonic() > deadline:
                self.dashboard.silent = self.dashboard.silent is not False
                raise Violation(f"the event {LAST!r} was accepted and is not in the list of events")
            time.sleep(_POLL_SECONDS)
        self.dashboard.silent = False

    def events(self, **query: str | int) -> list[tuple[str, int]]:
        """Return names and counts of events, in the API's order."""
        return self._rows("events", "events", "name", "count", **query)

    def revenue(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return names, each with its (currency, amount) pairs, sorted."""
        answer = self.dashboard.api(self.domain, "events")
        rows = answer.rows("events", "name", "revenue")
        return [(name, sorted(self._amounts(answer, all_), key=str)) for name, all_ in rows]

    def properties(self, name: str) -> list[tuple[str, int]]:
        """Return names and counts of an event's properties, sorted."""
        return sorted(self._rows("events/properties", "properties", "name", "count", name=name))

    def values(self, name: str, property_: str) -> list[tuple[str, int]]:
        """Return values and counts of a property, in the API's order."""
        return self._rows("events/properties", "values", "value", "count", name=name, property=property_)

    def has_properties(self) -> list[tuple[str, bool]]:
        """Return the names of events, each with its ``has_properties`` flag."""
        return self._rows("events", "events", "name", "has_properties")

    def goals(self, **query: str | int) -> dict[str, tuple[int, float]]:
        """Return conversions and rate (in percent) of each goal."""
        rows = self._rows("goals", "goals", "event_name", "conversions", "rate", **query)
        return {name: (number, rate) for name, number, rate in rows}

    def add_goal(self, event_name: str) -> Any:
        """Create a goal of the type Custom Event and return its id. Raises Violation if refused."""
        body = {"type": "custom_event", "event_name": event_name}
        answer = self.dashboard.api(self.domain, "goals", method="POST", body=body)
        id_, given = answer.pick(answer.data, "id", "event_name")
        require_equal(f"event_name of the answer to {answer.asked}", given, event_name)
        return id_

    def delete_goal(self, id_: Any) -> None:
        """Delete a goal. Raises Violation if refused."""
        _ = self.dashboard.api(self.domain, f"goals/{id_}", method="DELETE").data

    def kpis(self) -> dict[str, float]:
        """Return the KPIs by key."""
        return dict(self._rows("kpis", "kpis", "key", "value"))

    def usage(self) -> tuple[int, int, int]:
        """Return this month's usage: pageviews, custom events, and their total."""
        answer = self.dashboard.api(self.domain, "usage")
        pageviews, customs, total = answer.pick(answer.data, "pageviews", "custom_events", "total")
        return pageviews, customs, total

    def advice(self) -> dict[str, list[str]]:
        """Return the names that each rule of advice is about."""
        found: dict[str, list[str]] = {}
        answer = self.dashboard.api(self.domain, "advice")
        for rule, names in answer.rows("advice", "rule", "names"):
            found.setdefault(rule, []).extend(map(str, answer.members(names, "names")))
        return found

    def require(self, what: str, read: Callable[[], object], expected: object) -> None:
        """Require that ``read`` returns ``expected``, now or within the time for late rows. Raises Violation.

        After it passes, the lane's canary runs on a falsified value.
        """
        seen = self.wait(read, expected, _SHORT_SECONDS if self.dashboard.wrong else LATE_ROW_SECONDS)
        self.dashboard.wrong |= seen != expected
        self.evidence.received = {**self.evidence.received, what: seen}
        require_equal(what, seen, expected)
        bent = bent_figure(seen)
        run_canary(
            self.instruments,
            self.evidence,
            None if bent is None else partial(require_equal, what, bent, expected),
        )

    def require_rows(self, what: str, read: Callable[[], list[Any]], expected: list[Any]) -> None:
        """Require rows in any order, because the documentation names none. Raises Violation."""
        self.require(what, lambda: sorted(read()), sorted(expected))

    def require_ranked(self, what: str, read: Callable[[], list[Any]], expected: list[Any]) -> None:
        """Require rows by count, most common first, ties in any order. Raises Violation."""
        self.require(what, lambda: _ties_sorted(read()), _ties_sorted(expected))

    def require_new(
        self,
        what: str,
        read: Callable[[], list[Any]],
        expected: list[Any],
        since: float,
        *,
        opening: float = 0.0,
    ) -> None:
        """Require that rows appear by themselves within 10 s from now. Raises Violation.

        The time since the call, which was made at ``since``, is recorded. An open page gets four times the
        seconds of its ``opening``, up to 30, if that is longer: it updates itself by the same work.
        """
        limit = max(NEW_NAME_SECONDS, min(_OPENINGS * opening, _MOST_NEW_NAME_SECONDS))
        seen = self.wait(lambda: sorted(read()), expected, limit)
        seconds = time.monotonic() - since
        self.evidence.received = {**self.evidence.received, what: seen, "seconds": round(seconds, 2)}
        require_equal(f"{what}, {limit:.0f} s after the answer to the event", seen, expected)
        self.evidence.notes += (f"shown {seconds:.1f} s after the call",)

    def wait(self, read: Callable[[], object], expected: object, seconds: float) -> object:
        """Read until the value equals ``expected`` or ``seconds`` have passed; return the last value."""
        deadline = time.monotonic() + seconds
        while (seen := read()) != expected and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return seen

    def _amounts(self, answer: ApiAnswer, rows: Any) -> Iterator[tuple[Any, ...]]:
        return (answer.pick(row, "currency", "amount") for row in answer.members(rows, "revenue"))

    def _rows(self, path: str, list_: str, *columns: str, **query: str | int) -> list[Any]:
        return self.dashboard.api(self.domain, path, query=query).rows(list_, *columns)

    def _send(self, payload: Mapping[str, Any], visitor: int, times: int) -> None:
        """Send a payload; each visitor has a User-Agent and a session of its own."""
        token = self.domain.partition(".")[0]
        about = {"d": self.domain, "u": f"https://{self.domain}/", "s": f"{token}-{visitor}"}
        body = {**self.instruments.setup.envelope, **about, **payload}
        headers = {
            "Content-Type": "text/plain;charset=UTF-8",
            "Origin": f"https://{self.domain}",
            "Referer": f"https://{self.domain}/",
            "User-Agent": f"Mozilla/5.0 (X11; Linux x86_64; rv:{100 + visitor}.0) Gecko/20100101 "
            f"Firefox/{100 + visitor}.0",
        }
        request = Request(body=as_json(body), headers=headers)
        self.evidence.sent.append({"visitor": visitor, "times": times, **payload})
        for _ in range(times):
            reply = self._sender.send(request)
            if not reply.accepted:
                raise Violation(f"an event was refused with {reply}: {shown(payload)}")


@contextmanager
def new_site(instruments: Instruments, evidence: Evidence, token: str) -> Iterator[Site]:
    """Yield a site with a new domain. Raises NotTestable if there is no dashboard to ask."""
    domain = f"{token}.example"
    instruments.dashboard.require_known(domain)
    with closing(sender_to(instruments)) as sender:
        yield Site(instruments, evidence, domain, sender)


def _ties_sorted(rows: list[Any]) -> list[Any]:
    """Return (value, count) rows with neighbours of equal count sorted by value."""
    return [row for _, ties in groupby(rows, key=itemgetter(1)) for row in sorted(ties)]


def require_equal(what: str, seen: object, expected: object) -> None:
    """Raise Violation if the two differ; of lists longer than 8, it names the first different row."""
    if seen == expected:
        return
    if isinstance(seen, list) and isinstance(expected, list) and len(expected) > 8:
        pairs = enumerate(zip([*seen, "nothing"], [*expected, "nothing"], strict=False))
        at, (seen, expected) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
        what = f"{what}, row {at + 1}"
    raise Violation(f"{what}: expected {shown(expected)}, got {shown(seen)}")


def shown(value: object) -> str:
    """Return the ``repr`` of a value, cut to 500 characters, for messages."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
