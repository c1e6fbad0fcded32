"""Calls of the pair lane: from the browser through the recorder to the server, and back as rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.browsers import PageBroken
from conformance.drivers import pages
from conformance.drivers.expectations import NO_READBACK, require_arrival
from conformance.drivers.liveness import note_broken, require_whole_pages
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
    """The requests that arrived (``found``) and the rows stored for each token's call."""

    found: Mapping[str, list[Exchange]]
    rows: Mapping[str, list[StoredRow]]


@contextmanager
def joined(instruments: Instruments) -> Iterator[None]:
    """Forward events to the server for the block. Raises NotTestable if there is no readback."""
    if instruments.readback is None:
        raise NotTestable(NO_READBACK)
    with passed_on(instruments):
        yield


@contextmanager
def passed_on(instruments: Instruments) -> Iterator[None]:
    """Forward events from the recorder to the server for the block. Raises Throttled if it answered 429."""
    assert instruments.setup.server
    # A case of the tracker lane answers 429 itself.
    before = _refused(instruments)
    instruments.recorder.forward(instruments.setup.server.event_url)
    try:
        yield
    finally:
        instruments.recorder.forward(None)
        # Takes precedence over the block's own exception: throttled requests say nothing about events.
        if _refused(instruments) - before:
            raise Throttled("it answered 429")


def _refused(instruments: Instruments) -> set[int]:
    return {exchange.id for exchange in instruments.recorder.seen(token=instruments.setup.run, status=429)}


def call_vectors(instruments: Instruments, engine: str) -> Called:
    """Make the call of every selected vector of the pair lane, then read all rows at once."""
    cases = {instruments.setup.token(c.id, engine): c for c in instruments.selected(Lane.PAIR) if c.vector}
    with joined(instruments):
        shared = _call_together(instruments, engine)
        found = {token: outcome.found for token, outcome in shared.items()}
        for token, case in cases.items():
            if token not in shared:
                found[token] = _call(instruments, engine, case, token)
        return _stored(instruments, engine, cases, found)


def call_alone(instruments: Instruments, engine: str, case: Case, token: str) -> Called:
    """Make the call of one vector in a page of its own, then read its rows."""
    with joined(instruments):
        return _stored(instruments, engine, {token: case}, {token: _call(instruments, engine, case, token)})


def _call_together(instruments: Instruments, engine: str) -> Mapping[str, pages.Outcome]:
    """Make calls in one page; return nothing if one breaks it, so that each gets a page of its own."""
    try:
        return pages.call_together(instruments, engine, Lane.PAIR)
    except (PageBroken, TimeoutError) as error:
        note_broken(instruments, engine, error)
        return {}


def _call(instruments: Instruments, engine: str, case: Case, token: str) -> list[Exchange]:
    """Make a call in a page of its own; return its requests, even if the call breaks the page."""
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
    """Require that ``number`` events arrived and left as many rows; return the rows. Raises Violation."""
    require_arrival(evidence, instruments.events(token, number))
    rows = _read(instruments, engine, {token: number})[token]
    evidence.rows(rows)
    if len(rows) != number:
        raise Violation(f"expected {number} rows, got {len(rows)}{answered(instruments.events(token, 0))}")
    return rows


def answered(found: list[Exchange]) -> str:
    """Return a clause on the server's statuses, for a message about missing or extra rows."""
    statuses = ", ".join(str(exchange.status) for exchange in found)
    return f"; the server answered {statuses}" if statuses else "; no request arrived"


def _read(instruments: Instruments, engine: str, expected: Mapping[str, int]) -> dict[str, list[StoredRow]]:
    """Send a sentinel from a page of its own, then read the rows of all tokens."""
    token = instruments.setup.token("sentinel", " ".join(expected))
    pages.call(instruments, engine, "", token, vector={"events": 0})
    return instruments.stored(expected, pages.sentinel_of(token))
