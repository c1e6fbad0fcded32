"""Rows of exits, large events and bursts: none missing, none twice (DELIV-3, DELIV-5, DELIV-6)."""

from contextlib import closing

from conformance.drivers import keepalive_budget, pages
from conformance.drivers.exits import leave_once
from conformance.drivers.markers import scenarios
from conformance.drivers.pairs import joined, require_rows_of
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import Violation


@scenarios(
    "pair/deliv-3-once-href",
    "pair/deliv-3-once-form",
    "pair/deliv-3-once-back",
    "pair/deliv-3-once-window-close",
)
def test_one_row_per_exit(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: an event sent on exit has exactly one row by the time a later event has arrived."""
    exit_ = evidence.case.id.partition("/deliv-3-once-")[2]
    evidence.sent = f"clickport.track('Exit {token}'), and in the same task: {exit_}"
    with closing(instruments.tab(engine)) as tab, joined(instruments):
        leave_once(instruments, tab, token, exit_)
        instruments.events(token)
        pages.run(tab, f"clickport.track('Later {pages.sentinel_of(token)}')")
        instruments.events(pages.sentinel_of(token))
        require_rows_of(instruments, engine, evidence, token)


@scenarios("pair/deliv-5-60-kb", "pair/deliv-5-120-kb", "pair/deliv-5-180-kb", "pair/deliv-5-360-kb")
def test_large_event_leaves_row(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-5: a large event of 30 values within the protocol's limits is stored whole."""
    kilobytes = int(evidence.case.id.split("-")[2])
    tab = instruments.shared_tab(engine)
    with joined(instruments):
        tab.goto(instruments.page())
        evidence.sent = keepalive_budget.large_call(token, kilobytes)
        pages.run(tab, evidence.sent)
        [row] = require_rows_of(instruments, engine, evidence, token)
    # Only lengths: 60,000 characters are of no use in a report.
    evidence.stored = {
        "values": len(row.meta_values),
        "characters": sum(len(str(v)) for v in row.meta_values),
    }
    if row.meta_values != keepalive_budget.large_values(kilobytes):
        raise Violation(f"the stored values differ from the 30 given: {evidence.stored}")


@scenarios("pair/deliv-6-ten-of-10-kb", "pair/deliv-6-300-small-ones")
def test_burst_leaves_rows(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-6: each event of a burst in one task is stored as one row."""
    burst = keepalive_budget.BURSTS[evidence.case.id.partition("/deliv-6-")[2]]
    tab = instruments.shared_tab(engine)
    with joined(instruments):
        tab.goto(instruments.page())
        evidence.sent = burst.script(token)
        pages.run(tab, evidence.sent)
        keepalive_budget.await_burst(instruments, tab, token, burst)
        rows = require_rows_of(instruments, engine, evidence, token, burst.number)
    evidence.stored = {"rows": len(rows), "of": burst.number}
    if len({str(row.name) for row in rows}) < burst.number:
        raise Violation(f"of {burst.number} events some are stored more than once and others not at all")
