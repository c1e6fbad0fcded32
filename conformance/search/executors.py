"""Where examples are performed: one page that stays, one connection that stays, rows read by the batch."""

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
# A page that hangs takes 15 s to be given up: after so many nothing more is drawn.
_MOST_BROKEN = 3


class Tokens:
    """Tokens of a lane's examples: all of a batch begin alike, so that its rows can be asked for at once."""

    def __init__(self, run: str, lane: Lane, place: int = 0) -> None:
        self._lane = f"{run}{_DIGIT[lane]}{place:x}"
        self._batches = count(1)
        self.next_batch()

    def next_batch(self) -> None:
        """Begin a batch."""
        self.batch = f"{self._lane}{next(self._batches):05x}"
        self._numbers = count(1)

    def next(self) -> str:
        """The token of another example; its last letter tells the example's event from others about it."""
        return f"{self.batch}{next(self._numbers):03x}e"


def kin(token: str, letter: str) -> str:
    """A token like this one for another event: s the sentinel, n the neighbour, r the row sent again."""
    return f"{token[:-1]}{letter}"


class TrackerLab:
    """Makes calls in a page and sees what arrives at the recorder."""

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
        # A tab that has no page yet, in place of one that broke.
        self._fresh: Tab | None = None
        self._made: list[Observation] = []
        self._alive = True
        self._broken = 0
        self._patience = EVENT_SECONDS

    def perform(self, example: Any) -> None:
        """Make the call and a plain one after it, and wait for both; nothing once too many pages broke."""
        if self._broken >= _MOST_BROKEN:
            return
        token = self._tokens.next()
        try:
            self._perform(example, token)
        except (PageBroken, TimeoutError) as error:
            # The call hangs the page, say: that is found of this example, and the next one has another page.
            broken = f"nothing any more: the page broke ({error})"
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
        # A tracker that sends nothing at all is waited for once.
        recorder = self._instruments.recorder
        patience = EVENT_SECONDS if self._alive else 0.0
        self._alive = bool(recorder.wait(1, token=kin(token, "s"), seconds=patience))
        if self._alive:
            # Answered, so that its bytes are off the page's keepalive budget before the next call (DELIV-6).
            wanted = {"token": token, "method": "POST", "answered": True}
            arrived = recorder.wait(1, seconds=self._patience, **wanted)
            # One that loses events is waited for in full once, too.
            self._patience = self._patience if arrived else LATE_EVENT_SECONDS
        raised = pages.raised_in(self._tab, forget=True)
        self._made.append(
            Observation(example=example, token=token, thrown=thrown, raised=raised, next_works=self._alive)
        )

    def collect(self) -> list[Observation]:
        """What came of the calls since the last time."""
        found = self._arrived()
        seen = [replace(one, arrived=found.get(one.token, [])) for one in self._made]
        self._made.clear()
        nothing = bool(seen) and not found and not any(one.next_works for one in seen)
        self.silent = nothing or self._broken >= _MOST_BROKEN
        self._instruments.recorder.forget()
        self._tokens.next_batch()
        return seen

    def _arrived(self) -> Mapping[str, list[Exchange]]:
        """The requests of this batch by token: what was sent twice has come twice by now."""
        batch = self._tokens.batch
        found: dict[str, list[Exchange]] = {}
        for exchange in sent_events(self._instruments.recorder.seen(token=batch)):
            for token in set(re.findall(f"{batch}[0-9a-f]{{3}}e".encode(), exchange.body.lower())):
                found.setdefault(token.decode(), []).append(exchange)
        return found


class PairLab(TrackerLab):
    """Makes calls in a page, and sees the rows as well. To be used within ``joined``."""

    lane = Lane.PAIR

    def collect(self) -> list[Observation]:
        """What came of the calls since the last time, rows read at once."""
        last, batch = (kin(self._made[-1].token, "s") if self._made else ""), self._tokens.batch
        seen = super().collect()
        if not seen:
            return seen
        expected = {one.token: 1 if one.arrived else 0 for one in seen}
        rows = self._instruments.stored(expected, last, within=batch)
        self.silent = self.silent or not any(rows.values())
        return [replace(one, rows=rows[one.token]) for one in seen]


class ServerLab:
    """Posts requests on one connection and reads the rows of many at once."""

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
        """Post the request; now and then, and after what is no event, a plain one as its neighbour."""
        token = self._tokens.next()
        reply = self._sender.send(self._request(example, token))
        if len(self._made) % _NEIGHBOUR_EVERY == 0 or example.meaning is not Meaning.EVENT:
            neighbour = kin(token, "n")
            if self._sender.send(Request(body=plain_event(self._instruments.setup, neighbour))).accepted:
                self._neighbours.append(neighbour)
        self._made.append(Observation(example=example, token=token, reply=reply))

    def collect(self) -> list[Observation]:
        """What came of the requests since the last time, rows read at once, some of them sent again."""
        made, neighbours = self._made[:], set(self._neighbours)
        self._made.clear()
        self._neighbours.clear()
        if self._instruments.readback is None or not made:
            return made
        # Rows of a request whose name bears no token cannot be told from others.
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
        """Send what was stored once more, and return the rows of that by the first token."""
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
    """The payload that says what a row says, under another token; None where JSON cannot say it exactly."""
    amount, currency = row.revenue_source_amount, row.revenue_source_currency
    # A readback may hold anything in any column.
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
    """Read an example of a lane from JSON data."""
    return Body.from_json(data) if lane is Lane.SERVER else Call.from_json(data)
