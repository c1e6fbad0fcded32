"""The pair lane's way: calls in a browser, through the recorder on to the server, down to the rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.browsers import PageBroken
from conformance.drivers import pages
from conformance.drivers.expectations import NO_READBACK, require_arrival
from conformance.drivers.liveness import note_broken, require_whole_pages
from conformance.drivers.posted_batch import scripts_together
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.cases import Case
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.requirements import Lane
from conformance.readback import StoredRow
from conformance.recorder import Exchange
from conformance.targets.throttling import Throttled


@dataclass(frozen=True, kw_only=True)
class Called:
    """What became of each token's call: what arrived, and what was stored."""

    found: Mapping[str, list[Exchange]]
    rows: Mapping[str, list[StoredRow]]


@contextmanager
def joined(instruments: Instruments) -> Iterator[None]:
    """Let events pass on to the server, to be read back. Raises NotTestable without a readback."""
    if instruments.readback is None:
        raise NotTestable(NO_READBACK)
    with passed_on(instruments):
        yield


@contextmanager
def passed_on(instruments: Instruments) -> Iterator[None]:
    """Let events pass through the recorder to the server."""
    assert instruments.setup.server
    instruments.recorder.forward(instruments.setup.server.event_url)
    try:
        yield
    finally:
        instruments.recorder.forward(None)
        # Before whatever became of the events: what is turned away says nothing about them.
        if instruments.recorder.seen(token=instruments.setup.run, status=429):
            raise Throttled("it answered 429")


def call_vectors(instruments: Instruments, engine: str) -> Called:
    """Make the call of every selected vector of the pair lane, then read all rows at once."""
    cases = {instruments.setup.token(c.id, engine): c for c in instruments.selected(Lane.PAIR) if c.vector}
    together = scripts_together(instruments, Lane.PAIR, engine)
    with joined(instruments):
        shared = _call_together(instruments, engine, together) if together else {}
        found = {token: outcome.found for token, outcome in shared.items()}
        for token, case in cases.items():
            if token not in shared:
                found[token] = _call(instruments, engine, case, token)
        return _stored(instruments, engine, cases, found)


def call_alone(instruments: Instruments, engine: str, case: Case, token: str) -> Called:
    """Make the call of one vector in a page of its own, and read its rows."""
    with joined(instruments):
        return _stored(instruments, engine, {token: case}, {token: _call(instruments, engine, case, token)})


def _call_together(
    instruments: Instruments, engine: str, scripts: Mapping[str, str]
) -> Mapping[str, pages.Outcome]:
    """Make calls in one page; nothing if one of them breaks it: each is made in a page of its own then."""
    try:
        return pages.call_together(instruments, engine, scripts)
    except (PageBroken, TimeoutError) as error:
        note_broken(instruments, engine, error)
        return {}


def _call(instruments: Instruments, engine: str, case: Case, token: str) -> list[Exchange]:
    """Make a call in a page of its own; return what arrived, of one that breaks its page as well."""
    require_whole_pages(instruments, engine)
    script = case.vector["call"].replace("{token}", token)
    try:
        return pages.call(instruments, engine, script, token, vector=case.vector).found
    except (PageBroken, TimeoutError) as error:
        note_broken(instruments, engine, error)
        return instruments.events(token, 0)


def _stored(
    instruments: Instruments, engine: str, cases: Mapping[str, Case], found: Mapping[str, list[Exchange]]
) -> Called:
    expected = {token: case.vector.get("events", 1) if found[token] else 0 for token, case in cases.items()}
    return Called(found=found, rows=_read(instruments, engine, expected))


def require_rows_of(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, number: int = 1
) -> list[StoredRow]:
    """Require that ``number`` events arrived and left as many rows, and return those. Raises Violation."""
    require_arrival(evidence, instruments.events(token, number))
    rows = _read(instruments, engine, {token: number})[token]
    evidence.rows(rows)
    if len(rows) != number:
        raise Violation(f"expected {number} rows, got {len(rows)}{answered(instruments.events(token, 0))}")
    return rows


def answered(found: list[Exchange]) -> str:
    """What the server said to the requests, for a failure that is about their rows."""
    statuses = ", ".join(str(exchange.status) for exchange in found)
    return f"; the server answered {statuses}" if statuses else "; no request arrived"


def _read(instruments: Instruments, engine: str, expected: Mapping[str, int]) -> dict[str, list[StoredRow]]:
    """Send a last event from a page of its own and read the rows of all tokens."""
    token = instruments.setup.token("sentinel", " ".join(expected))
    pages.call(instruments, engine, "", token, vector={"events": 0})
    return instruments.stored(expected, pages.sentinel_of(token))
