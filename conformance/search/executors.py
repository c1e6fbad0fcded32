"""Executors of examples: calls in one page, requests on one connection, rows read by the batch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis.strategies import SearchStrategy

from conformance.browsers import PageBroken, Tab
from conformance.drivers import pages
from conformance.drivers.posted_batch import plain_event, sender_to
from conformance.drivers.requests import Request, enveloped
from conformance.harness.instruments import EVENT_SECONDS, LATE_EVENT_SECONDS, Instruments
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


class TrackerExecutor:
    """Makes calls in a page and observes the requests that reach the recorder."""

    strategy: SearchStrategy[Any] = strategies.calls
    batch = 25
    together = True
    silent = False
    lane = Lane.TRACKER

    def __init__(self, instruments: Instruments, engine: str) -> None:
        self._instruments = instruments
        place = [browser.name for browser in instruments.setup.browsers].index(engine)
        self._tokens = Tokens(instruments.setup.run, self.lane, place)
        self._engine = engine
        self._tab = instruments.tab(engine, lasting=True)
        # A new tab without a page, in place of a broken one.
        self._fresh: Tab | None = None
        self._alive = True
        self._broken = 0
        self._patience = EVENT_SECONDS
        # The batch for which the tab's page was loaded.
        self._page = ""

    def observe(self, examples: Sequence[Any]) -> list[Observation]:
        """Make the calls, each followed by a plain one, and return them with their requests.

        Several calls share a task of the page; if one of them seems to disturb the page, each is made again,
        alone. Once 3 pages broke, no more calls are made.
        """
        made: list[Observation] = []
        for few in self._few(examples):
            together = self._together(few) if len(few) > 1 else None
            made += together if together is not None else self._one_by_one(few)
        found = self._arrived()
        seen = [replace(one, arrived=found.get(one.token, [])) for one in made]
        nothing = bool(seen) and not found and not any(one.next_works for one in seen)
        self.silent = nothing or self._broken >= _MOST_BROKEN
        seen = self._completed(seen)
        self._instruments.recorder.forget()
        self._tokens.next_batch()
        return seen

    def _completed(self, seen: list[Observation]) -> list[Observation]:
        """Return the observations with what this lane observes beside the requests."""
        return seen

    def _few(self, examples: Sequence[Any]) -> Iterator[list[Any]]:
        by_number = {str(number): example.source("") for number, example in enumerate(examples)}
        return ([examples[int(number)] for number in few] for few in pages.few_at_a_time(by_number))

    def _together(self, examples: Sequence[Any]) -> list[Observation] | None:
        """Make calls in one task; return None if an exception came later or a plain event did not arrive."""
        if self._broken or not self._alive:
            return None
        made = [(example, self._tokens.next()) for example in examples]
        plain = [kin(token, "s") for _, token in made]
        try:
            self._load()
            scripts: dict[str, str] = {}
            for example, token in made:
                scripts |= {token: example.source(token), kin(token, "s"): _plain(token)}
            thrown = pages.run_each(self._tab, scripts)
            # Answered, so that the next calls have the page's whole keepalive budget (DELIV-6).
            wanted = dict.fromkeys(scripts, 1)
            found = self._instruments.recorder.wait_each(wanted, seconds=self._patience, answered=True)
            if not all(found.values()):
                self._patience = LATE_EVENT_SECONDS
            disturbed = pages.raised_in(self._tab) or not all(found[token] for token in plain)
        except (PageBroken, TimeoutError):
            disturbed = True
        if disturbed or any(token in thrown for token in plain):
            self._fresh = self._tab
            return None
        return [
            Observation(example=example, token=token, thrown=thrown.get(token)) for example, token in made
        ]

    def _one_by_one(self, examples: Sequence[Any]) -> list[Observation]:
        made = []
        for example in examples:
            if self._broken >= _MOST_BROKEN:
                break
            token = self._tokens.next()
            try:
                made.append(self._alone(example, token))
            except (PageBroken, TimeoutError) as error:
                # The call may hang the page: the violation is this example's; the next gets a new page.
                broken = f"nothing more: the page broke ({error})"
                made.append(Observation(example=example, token=token, thrown=broken, next_works=False))
                self._instruments.restart(self._engine)
                self._broken += 1
                self._tab = self._fresh = self._instruments.tab(self._engine, lasting=True)
        return made

    def _load(self) -> None:
        """Load a new page in the tab, once for each batch and after a call that broke the one before."""
        if self._fresh or self._page != self._tokens.batch:
            self._fresh, self._page = None, self._tokens.batch
            self._tab.goto(self._instruments.page(before=pages.WATCH))

    def _alone(self, example: Any, token: str) -> Observation:
        self._load()
        thrown = pages.run(self._tab, example.source(token))
        pages.run(self._tab, _plain(token))
        # A tracker that sends nothing at all is awaited only once.
        recorder = self._instruments.recorder
        patience = EVENT_SECONDS if self._alive else 0.0
        self._alive = bool(recorder.wait(1, token=kin(token, "s"), seconds=patience))
        if self._alive:
            wanted = {"token": token, "method": "POST", "answered": True}
            arrived = recorder.wait(1, seconds=self._patience, **wanted)
            # Of a tracker that loses events, only the first is awaited for the full time.
            self._patience = self._patience if arrived else LATE_EVENT_SECONDS
        raised = pages.raised_in(self._tab, forget=True)
        return Observation(example=example, token=token, thrown=thrown, raised=raised, next_works=self._alive)

    def _arrived(self) -> Mapping[str, list[Exchange]]:
        """Return the requests of this batch by token; repeated ones have arrived by now."""
        batch = self._tokens.batch
        found: dict[str, list[Exchange]] = {}
        for exchange in self._instruments.recorder.seen(token=batch, sent=True):
            for token in set(re.findall(f"{batch}[0-9a-f]{{3}}e".encode(), exchange.body.lower())):
                found.setdefault(token.decode(), []).append(exchange)
        return found


class PairExecutor(TrackerExecutor):
    """Makes calls in a page and observes requests and rows. Use it within ``joined``."""

    lane = Lane.PAIR

    def _completed(self, seen: list[Observation]) -> list[Observation]:
        """Return the observations with the rows stored for them."""
        if not seen:
            return seen
        expected = {one.token: 1 if one.arrived else 0 for one in seen}
        rows = self._instruments.stored(expected, kin(seen[-1].token, "s"), within=self._tokens.batch)
        self.silent = self.silent or not any(rows.values())
        return [replace(one, rows=rows[one.token]) for one in seen]


def _plain(token: str) -> str:
    return f"clickport.track('Sentinel {kin(token, 's')}')"


class ServerExecutor:
    """Posts requests on one connection and reads their rows by the batch."""

    strategy: SearchStrategy[Any] = body_strategies.bodies
    batch = 50
    together = False
    silent = False

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._tokens = Tokens(instruments.setup.run, Lane.SERVER)
        self._sender = sender_to(instruments, hostile=True)

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()

    def observe(self, examples: Sequence[Any]) -> list[Observation]:
        """Post the requests; return them with their rows and those of rows that were sent again.

        A plain neighbour follows every eighth request and any that is not an event.
        """
        made: list[Observation] = []
        neighbours: list[str] = []
        for number, example in enumerate(examples):
            token = self._tokens.next()
            reply = self._sender.send(self._request(example, token))
            if number % _NEIGHBOUR_EVERY == 0 or example.meaning is not Meaning.EVENT:
                neighbour = kin(token, "n")
                if self._sender.send(Request(body=plain_event(self._instruments.setup, neighbour))).accepted:
                    neighbours.append(neighbour)
            made.append(Observation(example=example, token=token, reply=reply))
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
