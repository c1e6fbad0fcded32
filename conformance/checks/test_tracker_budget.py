"""Large events and bursts beyond the browser's keepalive budget (DELIV-5, DELIV-6)."""

from contextlib import closing
from typing import Any

from conformance.drivers import keepalive_budget, pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.matching import describe
from conformance.protocol.outcomes import NotTestable, SuiteFault, Violation
from conformance.protocol.payload import read_payload
from conformance.recorder import Exchange

_HELD_BYTES = 60_000


@scenarios(
    "tracker/deliv-5-65535-bytes",
    "tracker/deliv-5-65536-bytes",
    "tracker/deliv-5-65537-bytes",
)
def test_event_of_bytes(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-5: an event whose body is one byte below, at, or one byte above the browser's limit arrives."""
    wanted = int(evidence.case.id.split("-")[2])
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    # Trackers differ in the size of their bodies: a first event measures it, and the next is sized to fit.
    probe = pages.sentinel_of(token)
    pages.run(tab, keepalive_budget.call_of(probe, filler=0))
    measured = instruments.events(probe)
    require_arrival(evidence, measured)
    filler = wanted - len(measured[0].body)
    evidence.sent = f"an event whose body has {wanted} bytes: {keepalive_budget.call_of('…', filler)}"
    thrown = pages.run(tab, keepalive_budget.call_of(token, filler))
    found = instruments.events(token)
    require_arrival(evidence, found, thrown)
    _require_values(evidence, found, keepalive_budget.values_of(filler))


@scenarios(
    "tracker/deliv-5-60-kb",
    "tracker/deliv-5-120-kb",
    "tracker/deliv-5-180-kb",
    "tracker/deliv-5-360-kb",
)
def test_large_event(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-5: an event of 30 values within the protocol's limits arrives whole, whatever its size."""
    kilobytes = int(evidence.case.id.split("-")[2])
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    evidence.sent = keepalive_budget.large_call(token, kilobytes)
    thrown = pages.run(tab, evidence.sent)
    found = instruments.events(token)
    require_arrival(evidence, found, thrown)
    _require_values(evidence, found, list(keepalive_budget.large_values(kilobytes)))


@scenarios(
    "tracker/deliv-6-ten-of-10-kb",
    "tracker/deliv-6-300-small-ones",
)
def test_burst(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-6: many events made in one task arrive whole, each exactly once."""
    burst = keepalive_budget.BURSTS[evidence.case.id.partition("/deliv-6-")[2]]
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    evidence.sent = burst.script(token)
    thrown = pages.run(tab, evidence.sent)
    keepalive_budget.require_whole(instruments, evidence, tab, token=token, burst=burst, thrown=thrown)


@scenarios("tracker/deliv-6-slow-endpoint")
def test_burst_to_a_slow_endpoint(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-6: events made while others await their answers arrive in the end, each exactly once."""
    burst = keepalive_budget.BURSTS["ten-of-10-kb"]
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, "hang"):
        tab.goto(instruments.page())
        evidence.sent = burst.script(token)
        thrown = pages.run(tab, evidence.sent)
        if not instruments.events(token, held=True):
            require_arrival(evidence, [], thrown)
        instruments.recorder.end_faults()
        keepalive_budget.require_whole(instruments, evidence, tab, token=token, burst=burst, thrown=thrown)


@scenarios("tracker/deliv-6-budget-held-by-another-script")
def test_budget_held_by_another_script(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-6: an event of 10 KB arrives while another script has 60 KB of keepalive in flight."""
    other = pages.sentinel_of(token)
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(other, "hang"):
        tab.goto(instruments.page(before=pages.PLAIN_FETCH))
        tab.run(_held(instruments, other))
        _require_held(instruments, other)
        call = keepalive_budget.call_of("…", 10_000)
        evidence.sent = f"while another script's {_HELD_BYTES} bytes are in flight: {call}"
        thrown = pages.run(tab, keepalive_budget.call_of(token, 10_000))
        _require_one(instruments, evidence, token, thrown)


@scenarios("tracker/deliv-6-budget-held-on-a-restored-page")
def test_budget_held_on_a_restored_page(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-6: the same on a page restored from the back/forward cache."""
    # Reversed, so that the recorder does not take the request for the event.
    other, back = pages.sentinel_of(token), f"/control/{token[::-1]}"
    with (
        closing(instruments.tab(engine, frozen_pages=True)) as tab,
        instruments.recorder.failing(other, "hang"),
    ):
        tab.goto(instruments.page(before=pages.reporting_script(instruments, back), stored=True))
        # The page acts by itself, because automation may lose track of a frozen page.
        tab.run(
            f"addEventListener('pageshow', (event) => {{ if (event.persisted) {{ {_held(instruments, other)};"
            f" plainFetch('{instruments.recorder.page_origin}/next/page')"
            f".then(() => {{ {keepalive_budget.call_of(token, 10_000)} }}) }} }})"
        )
        tab.goto(instruments.page(stored=True))
        tab.run("setTimeout(() => history.back())")
        if not pages.restored(instruments, back):
            raise NotTestable(f"{engine} did not restore the page from its back/forward cache")
        _require_held(instruments, other)
        evidence.sent = (
            f"back from the cache, while another script's {_HELD_BYTES} bytes are in flight: "
            f"{keepalive_budget.call_of('…', 10_000)}"
        )
        _require_one(instruments, evidence, token, None)


def _held(instruments: Instruments, other: str) -> str:
    """Return the script of a keepalive request by the suite, whose answer a fault holds back."""
    return (
        f"plainFetch('{instruments.recorder.endpoint_origin}/control/{other}', {{ method: 'POST', "
        f"keepalive: true, mode: 'no-cors', body: '{other}'.padEnd({_HELD_BYTES}, 'x') }}).catch(() => {{}})"
    )


def _require_held(instruments: Instruments, other: str) -> None:
    if not instruments.recorder.wait(1, token=other, held=True, seconds=LATE_EVENT_SECONDS * 3):
        raise SuiteFault("the suite's own keepalive request did not arrive: nothing can be concluded")


def _require_one(instruments: Instruments, evidence: Evidence, token: str, thrown: str | None) -> None:
    """Require that an event arrives while the budget is held, and is not sent again when it is free."""
    found = instruments.events(token)
    evidence.received = _sizes(found)
    if not found:
        require_arrival(evidence, found, thrown)
    instruments.recorder.end_faults()
    if len(again := instruments.events(token, 2, seconds=LATE_EVENT_SECONDS)) > 1:
        raise Violation(f"one call made {len(again)} requests that arrived, expected 1")


def _require_values(evidence: Evidence, found: list[Exchange], expected: list[str]) -> None:
    evidence.received = _sizes(found)  # Bodies of up to 360 KB are of no use in a report.
    values = read_payload(found[0].body).get("mv")
    if values != expected:
        raise Violation(f"the values differ from those given: {describe(values)}")


def _sizes(found: list[Exchange]) -> list[dict[str, Any]]:
    return [{"method": e.method, "path": e.path, "bytes": len(e.body)} for e in found]
