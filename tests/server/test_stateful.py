"""Through restarts, crashes and outages, acknowledged events are stored once, and nothing else is."""

import itertools
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

World = Any
Row = tuple[str, str, str, tuple[str, ...], tuple[str, ...], Decimal | None, str]
COLUMNS = "session_id, site_id, name, meta_keys, meta_values, revenue_source_amount, revenue_source_currency"
ROWS = f"SELECT {COLUMNS} FROM events"
SITES = ("one.example", "two.example", "three.example")
STREAM = 12  # Events of the stream during which a fault occurs,
ANSWERED = 4  # and how many of them are answered before it.
SECONDS = 20.0

# Refused in any state; each has its mark, so that a row of it would be noticed.
HOSTILE = {
    "empty name": (b'{"t": "e", "n": "", "d": "one.example", "s": "MARK"}', 400),
    "unknown type": (b'{"t": "custom", "n": "x", "d": "one.example", "s": "MARK"}', 400),
    "unfinished": (b'{"t": "e", "n": "x", "d": "one.example", "s": "MARK"', 400),
    "array": (b'[{"t": "e", "n": "x", "d": "one.example", "s": "MARK"}]', 400),
    "NaN": (b'{"t": "e", "n": "x", "d": "one.example", "s": "MARK", "ra": NaN}', 400),
    "no UTF-8": (b'{"t": "e", "n": "\xff", "d": "one.example", "s": "MARK"}', 400),
    "large": (b'{"t": "e", "n": "x", "d": "one.example", "s": "MARK", "pad": "' + b"x" * 2**20 + b'"}', 413),
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event as a page sends it, and the expected row."""

    site: str
    name: str
    properties: tuple[tuple[str, str], ...]
    amount: str | None

    def body(self, mark: str) -> bytes:
        """The request; the session carries the mark."""
        keys, values = [key for key, _ in self.properties], [value for _, value in self.properties]
        payload = {"t": "e", "n": self.name, "d": self.site, "s": mark, "mk": keys, "mv": values}
        money = "" if self.amount is None else f', "ra": {self.amount}, "rc": "EUR"'
        return f"{json.dumps(payload)[:-1]}{money}}}".encode()

    def row(self, mark: str) -> Row:
        """The values of ``COLUMNS``."""
        keys, values = tuple(key for key, _ in self.properties), tuple(value for _, value in self.properties)
        money = (None, "") if self.amount is None else (Decimal(self.amount), "EUR")
        return (mark, self.site, self.name, keys, values, *money)


EVENTS = st.builds(
    Event,
    site=st.sampled_from(SITES),
    name=st.sampled_from(["Signup", "Purchase", "Grüße 🎉"]),
    properties=st.lists(
        st.tuples(st.sampled_from(["plan", "seats"]), st.sampled_from(["pro", "", "5"])), max_size=2
    ).map(tuple),
    amount=st.sampled_from([None, "49.99", "0", "-19.9"]),
)


class Ledger:
    """The model: rows that must exist once, rows that may exist once, and no others."""

    def __init__(self) -> None:
        self.certain: list[Row] = []
        self.possible: list[Row] = []

    def note(self, row: Row, status: int | None, *, registered: bool) -> None:
        """Record the answer to an event, None if there was none."""
        if registered and status == httpx.codes.ACCEPTED:
            self.certain.append(row)
        elif registered and (status is None or status >= 500):
            self.possible.append(row)

    def wrong_rows(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Return forbidden and missing rows; empty if all is well."""
        stored, once = Counter(rows), Counter(self.certain)
        found = {"lost": once - stored, "too many": stored - once - Counter(self.possible)}
        return {fault: list(rows.elements()) for fault, rows in found.items() if rows}

    def wrong_counts(self, counts: dict[str, int]) -> dict[str, int]:
        """Return the counts by name that cannot be right; empty if all is well."""
        least, doubtful = (Counter(row[2] for row in rows) for rows in (self.certain, self.possible))
        number = Counter(counts)
        return {n: number[n] for n in number | least if not 0 <= number[n] - least[n] <= doubtful[n]}


class Life(RuleBasedStateMachine):
    """Events, refusals and faults in any order; each fault occurs during a stream of events."""

    world: World  # Set by the test, as Hypothesis creates the instances.

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.marks = (f"m{number}" for number in itertools.count())
        self.posted = True
        self.world.begin(frozenset(SITES[:2]))

    @rule(traffic=st.lists(EVENTS | st.sampled_from(sorted(HOSTILE)), min_size=1, max_size=5))
    def post(self, traffic: list[Event | str]) -> None:
        """An event is accepted with or without ClickHouse, and an invalid one is refused."""
        for item in traffic:
            if isinstance(item, Event):
                assert self.send(item) == 202
            else:
                body, status = HOSTILE[item]
                assert self.world.post(body.replace(b"MARK", next(self.marks).encode())) == status

    @precondition(lambda self: self.eventful)
    @rule(sites=st.sets(st.sampled_from(SITES), min_size=1).map(frozenset), event=EVENTS)
    def restart(self, sites: frozenset[str], event: Event) -> None:
        """End the server by SIGTERM and start it with the same or other sites."""
        with self.stream(event):
            assert self.world.end_server(signal.SIGTERM) == 0
        self.world.serve(sites)

    @precondition(lambda self: self.eventful)
    @rule(event=EVENTS)
    def crash(self, event: Event) -> None:
        """End the server by SIGKILL and start it."""
        sites = self.world.sites
        with self.stream(event):
            self.world.end_server(signal.SIGKILL)
        self.world.serve(sites)

    @precondition(lambda self: self.eventful)
    @rule(number=st.sampled_from([signal.SIGTERM, signal.SIGKILL]), event=EVENTS)
    def outage(self, number: signal.Signals, event: Event) -> None:
        """End ClickHouse only."""
        with self.stream(event):
            self.world.end_clickhouse(number)

    @precondition(lambda self: not self.world.stores)
    @rule()
    def recovery(self) -> None:
        """Restart ClickHouse with its folder and URL."""
        self.world.clickhouse.start()

    def teardown(self) -> None:
        """After recovery, the stored rows agree with the model."""
        if not self.world.stores:
            self.world.clickhouse.start()
        self.sentinel()
        rows = [(*row[:3], tuple(row[3]), tuple(row[4]), *row[5:]) for row in self.world.ask(ROWS)]
        counts = dict(self.world.ask("SELECT name, count() FROM events GROUP BY name"))
        wrong = {**self.ledger.wrong_rows(rows), **self.ledger.wrong_counts(counts)}
        assert wrong == {}, f"stored otherwise than answered: {wrong}"

    @property
    def eventful(self) -> bool:
        """Return True if all is well and events came since the last fault."""
        return self.posted and bool(self.world.stores)

    def send(self, event: Event) -> int | None:
        """Post an event and record the answer."""
        mark = next(self.marks)
        status: int | None = self.world.post(event.body(mark))
        self.posted = True
        self.ledger.note(event.row(mark), status, registered=event.site in self.world.sites)
        return status

    @contextmanager
    def stream(self, event: Event) -> Iterator[None]:
        """Post an event repeatedly during an action, and record the answers."""
        answered = threading.Semaphore(0)

        def post(mark: str) -> int | None:
            status: int | None = self.world.post(event.body(mark))
            answered.release()
            return status

        registered = event.site in self.world.sites
        marks = list(itertools.islice(self.marks, STREAM))
        with ThreadPoolExecutor(2) as pool:
            statuses = pool.map(post, marks)
            for _ in range(ANSWERED):
                assert answered.acquire(timeout=SECONDS)
            yield
        for mark, status in zip(marks, statuses, strict=True):
            self.ledger.note(event.row(mark), status, registered=registered)
        self.posted = False

    def sentinel(self) -> None:
        """Post a last event, and wait until it and all earlier ones of any process are stored."""
        event = Event(site=min(self.world.sites), name="Sentinel", properties=(), amount=None)
        assert self.send(event) == httpx.codes.ACCEPTED
        self.world.settle()


def test_after_any_fault_acknowledged_events_are_stored_once(world: World) -> None:
    """STORE-1, STORE-5: stored once after a 2xx, at most once after no answer or a 5xx, else never."""
    Life.world = world
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=2,
            stateful_step_count=16,
            deadline=None,
            derandomize=True,
            # Without shrinking: each attempt starts processes, and the failing steps are informative enough.
            phases=(Phase.generate,),
            suppress_health_check=[HealthCheck.too_slow],  # A step may start a server.
        ),
    )
