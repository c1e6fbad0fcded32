"""Executors of examples: calls in one page, requests on one connection, rows read by the batch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis.strategies import SearchStrategy

from conformance.browsers import PageBroken, Tab
from conformance.drivers import pages
from conformance.drivers.posted_batch import plain_event, sender_to
from conformance.drivers.requests import Request, enveloped
from conformance.harness.instruments import EVENT_SECONDS, LATE_EVENT_SECONDS, Instruments, sent_events
from conformance.protocol.requirements import Lane
from conformance.readback import StoredRow
from conformance.recorder import Exchange
from conformance.search import body_strategies, model, strategies
from conformance.search.bodies import Body, Meaning, written
from conformance.search.calls import Call
from conformance.search.observation import Observation

_DIGIT = {Lane.TRACKER: "1", Lane.SERVER: "2", Lane.PAIR: "3"}
_NEIGHBOUR_EVERY = 8
# A page that hangs costs 15 s. After this many, no more examples are performed.
_MOST_BROKEN = 3


class Tokens:
    """Tokens of a lane's examples. Those of a batch share a prefix, so that one query reads all its rows."""

    def __init__(self, run: str, lane: Lane, place: int = 0) -> None:
        self._lane = f"{run}{_DIGIT[lane]}{place:x}"
        self._batches = count(1)
        self.next_batch()

    def next_batch(self) -> None:
        """Begin a new batch, with a new prefix."""
        self.batch = f"{self._lane}{next(self._batches):05x}"
        self._numbers = count(1)

    def next(self) -> str:
        """Return the next example's token; its last letter sets it apart from tokens of related events."""
        return f"{self.batch}{next(self._numbers):03x}e"


def kin(token: str, letter: str) -> str:
    """Return the token of a related event: s for a sentinel, n for a neighbour, r for a row sent again."""
    return f"{token[:-1]}{letter}"


class TrackerLab:
    """Makes calls in a page and observes the requests that reach the recorder."""

    strategy: SearchStrategy[Any] = strategies.calls
    batch = 25
    silent = False
    lane = Lane.TRACKER

    def __init__(self, instruments: Instruments, engine: str) -> None:
        self._instruments = instruments
        place = [browser.name for browser in instruments.setup.browsers].index(engine)
        self._tokens = Tokens(instruments.setup.run, self.lane, place)
        self._engine = engine
        self._tab = instruments.tab(engine)
        # A new tab without a page, in place of a broken one.
        self._fresh: Tab | None = None
        self._made: list[Observation] = []
        self._alive = True
        self._broken = 0
        self._patience = EVENT_SECONDS

    def perform(self, example: Any) -> None:
        """Make the call and a plain one after it; wait for both. Does nothing once 3 pages broke."""
        if self._broken >= _MOST_BROKEN:
            return
        token = self._tokens.next()
        try:
            self._perform(example, token)
        except (PageBroken, TimeoutError) as error:
            # The call may hang the page: the violation is this example's, and the next one gets a new page.
            broken = f"nothing more: the page broke ({error})"
            self._made.append(Observation(example=example, token=token, thrown=broken, next_works=False))
            self._instruments.restart(self._engine)
            self._broken += 1
            self._tab = self._fresh = self._instruments.tab(self._engine)

    def _perform(self, example: Any, token: str) -> None:
        if not self._made or self._fresh:
            self._fresh = None
            self._tab.goto(self._instruments.page(before=pages.WATCH))
        thrown = pages.run(self._tab, example.source(token))
        pages.run(self._tab, f"clickport.track('Sentinel {kin(token, 's')}')")
        # A tracker that sends nothing at all is awaited only once.
        recorder = self._instruments.recorder
        patience = EVENT_SECONDS if self._alive else 0.0
        self._alive = bool(recorder.wait(1, token=kin(token, "s"), seconds=patience))
        if self._alive:
            # Answered, so that the next call has the page's whole keepalive budget (DELIV-6).
            wanted = {"token": token, "method": "POST", "answered": True}
            arrived = recorder.wait(1, seconds=self._patience, **wanted)
            # Of a tracker that loses events, only the first is awaited for the full time.
            self._patience = self._patience if arrived else LATE_EVENT_SECONDS
        raised = pages.raised_in(self._tab, forget=True)
        self._made.append(
            Observation(example=example, token=token, thrown=thrown, raised=raised, next_works=self._alive)
        )

    def collect(self) -> list[Observation]:
        """Return the observations of the calls since the last time, with their requests."""
        found = self._arrived()
        seen = [replace(one, arrived=found.get(one.token, [])) for one in self._made]
        self._made.clear()
        nothing = bool(seen) and not found and not any(one.next_works for one in seen)
        self.silent = nothing or self._broken >= _MOST_BROKEN
        self._instruments.recorder.forget()
        self._tokens.next_batch()
        return seen

    def _arrived(self) -> Mapping[str, list[Exchange]]:
        """Return the requests of this batch by token; repeated ones have arrived by now."""
        batch = self._tokens.batch
        found: dict[str, list[Exchange]] = {}
        for exchange in sent_events(self._instruments.recorder.seen(token=batch)):
            for token in set(re.findall(f"{batch}[0-9a-f]{{3}}e".encode(), exchange.body.lower())):
                found.setdefault(token.decode(), []).append(exchange)
        return found


class PairLab(TrackerLab):
    """Makes calls in a page and observes requests and rows. Use it within ``joined``."""

    lane = Lane.PAIR

    def collect(self) -> list[Observation]:
        """Return the observations of the calls since the last time, with their requests and rows."""
        last, batch = (kin(self._made[-1].token, "s") if self._made else ""), self._tokens.batch
        seen = super().collect()
        if not seen:
            return seen
        expected = {one.token: 1 if one.arrived else 0 for one in seen}
        rows = self._instruments.stored(expected, last, within=batch)
        self.silent = self.silent or not any(rows.values())
        return [replace(one, rows=rows[one.token]) for one in seen]


class ServerLab:
    """Posts requests on one connection and reads their rows by the batch."""

    strategy: SearchStrategy[Any] = body_strategies.bodies
    batch = 50
    silent = False

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._tokens = Tokens(instruments.setup.run, Lane.SERVER)
        self._sender = sender_to(instruments, hostile=True)
        self._made: list[Observation] = []
        self._neighbours: list[str] = []

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def perform(self, example: Any) -> None:
        """Post the request, and a plain neighbour after every eighth and after any that is not an event."""
        token = self._tokens.next()
        reply = self._sender.send(self._request(example, token))
        if len(self._made) % _NEIGHBOUR_EVERY == 0 or example.meaning is not Meaning.EVENT:
            neighbour = kin(token, "n")
            if self._sender.send(Request(body=plain_event(self._instruments.setup, neighbour))).accepted:
                self._neighbours.append(neighbour)
        self._made.append(Observation(example=example, token=token, reply=reply))

    def collect(self) -> list[Observation]:
        """Return the observations of the requests since the last time, with rows, also of rows sent again."""
        made, neighbours = self._made[:], set(self._neighbours)
        self._made.clear()
        self._neighbours.clear()
        if self._instruments.readback is None or not made:
            return made
        # Rows of a request without its token in the name cannot be identified.
        traced = [one for one in made if "{token}" in str(one.body.members.get("n", "{token}"))]
        rows = self._rows({one.token: int(_makes_row(one)) for one in traced} | dict.fromkeys(neighbours, 1))
        self.silent = not any(rows.values())
        again = self._again({one.token: rows[one.token] for one in traced})
        self._tokens.next_batch()
        return [
            replace(
                one,
                rows=rows.get(one.token),
                again=again.get(one.token),
                neighbour=len(rows[kin(one.token, "n")]) if kin(one.token, "n") in neighbours else None,
            )
            for one in made
        ]

    def _again(self, rows: Mapping[str, Sequence[StoredRow]]) -> dict[str, StoredRow]:
        """Send stored rows again as events, and return the rows of these by the first event's token."""
        sent = {}
        for token, own in rows.items():
            payload = _payload_of(own[0], token) if len(own) == 1 else None
            if payload and self._sender.send(self._request(written(payload), token)).accepted:
                sent[token] = kin(token, "r")
        found = self._rows(dict.fromkeys(sent.values(), 1)) if sent else {}
        return {token: found[own][0] for token, own in sent.items() if len(found[own]) == 1}

    def _rows(self, expected: Mapping[str, int]) -> dict[str, list[StoredRow]]:
        sentinel = kin(self._tokens.next(), "s")
        self._sender.send(Request(body=plain_event(self._instruments.setup, sentinel)))
        return self._instruments.stored(expected, sentinel, within=self._tokens.batch)

    def _request(self, body: Body, token: str) -> Request:
        return Request(body=enveloped(body.filled(token), self._instruments.setup.envelope))


def _makes_row(seen: Observation) -> bool:
    return seen.reply is not None and seen.reply.accepted and seen.body.meaning is Meaning.EVENT


def _payload_of(row: StoredRow, token: str) -> dict[str, Any] | None:
    """Return a row as a payload with another token; None if JSON cannot express it exactly."""
    amount, currency = row.revenue_source_amount, row.revenue_source_currency
    # A readback may return anything in any column.
    if row.type != "custom" or not isinstance(row.name, str) or token not in row.name:
        return None
    payload: dict[str, Any] = {
        "t": "e",
        "n": row.name.replace(token, kin(token, "r")),
        "mk": list(row.meta_keys),
        "mv": list(row.meta_values),
    }
    if amount is None:
        return payload
    exact = isinstance(amount, Decimal) and Decimal(repr(float(amount))) == amount
    if not exact or not isinstance(currency, str) or not model.is_code(currency.upper()):
        return None
    return {**payload, "ra": float(amount), "rc": currency}


def example_of(lane: Lane, data: Mapping[str, Any]) -> Call | Body:
    """Return a lane's example from its JSON data."""
    return Body.from_json(data) if lane is Lane.SERVER else Call.from_json(data)
