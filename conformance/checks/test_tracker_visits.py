"""A long visit: each of 1,200 calls must be an event, without caps or deduplication (WIRE-4)."""

from collections import Counter
from collections.abc import Sequence

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.recorder import Exchange

# More than a cap of 1,000 a page and, with the second page, a session.
_FIRST_PAGE, _SECOND_PAGE = 1050, 150
# Answered before the next are made, so that the browser's keepalive limits (DELIV-6) do not matter.
_AT_ONCE = 75


@scenarios("tracker/wire-4-1200-calls-of-a-visit")
def test_calls_of_a_visit(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-4: 1,200 calls, half of them equal, in one task and in many, make 1,200 requests."""
    total = _FIRST_PAGE + _SECOND_PAGE
    evidence.sent = f"{_FIRST_PAGE} calls on a page and {_SECOND_PAGE} on the next, every other one equal"
    tab = instruments.tab(engine)
    made = 0
    sent: Counter[str] = Counter()
    try:
        while made < total:
            if made in (0, _FIRST_PAGE):
                tab.goto(instruments.page())
            group = _make(tab, token, made)
            made += _AT_ONCE
            arrived = instruments.events(group, _AT_ONCE, answered=True)
            if len(arrived) < _AT_ONCE:
                break
            sent += _names(arrived)
            # Repeats are recorded from here on; forgetting keeps the recorder's searches fast.
            instruments.recorder.forget()
        pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
        instruments.events(pages.sentinel_of(token), seconds=LATE_EVENT_SECONDS)
        sent += _names(instruments.events(token, 0))
        _require_each(evidence, sent, token, made)
    finally:
        tab.close()


def _names(found: Sequence[Exchange]) -> Counter[str]:
    return Counter(str(read_payload(exchange.body).get("n")) for exchange in found)


def _make(tab: Tab, token: str, first: int) -> str:
    """Make 75 calls, in one task or, every fourth time, in a task each; return the text in all names.

    Every second call equals the others like it in name and properties.
    """
    group = f"{token}{first:04d}"
    call = (
        f"i % 2 ? clickport.track('Same {group}', {{ sku: '7' }})"
        f" : clickport.track('Item ' + i + ' {group}', {{ sku: String(i) }})"
    )
    if first // _AT_ONCE % 4:
        pages.run(tab, f"for (let i = {first}; i < {first + _AT_ONCE}; i++) {call}")
    else:
        tab.run(
            f"return new Promise((done) => {{ let i = {first}; const next = () => {{"
            f" if (i === {first + _AT_ONCE}) return done(); try {{ {call} }} catch {{}}; i++;"
            " setTimeout(next) }; next() })"
        )
    return group


def _require_each(evidence: Evidence, sent: Counter[str], token: str, made: int) -> None:
    evidence.received = {"calls": made, "requests": sent.total(), "names": len(sent)}
    if not sent:
        raise Violation("no request arrived: the events are lost")
    wanted: Counter[str] = Counter()
    for i in range(made):
        group = f"{token}{i // _AT_ONCE * _AT_ONCE:04d}"
        wanted[f"Same {group}" if i % 2 else f"Item {i} {group}"] += 1
    if lost := wanted - sent:
        which = "equal ones" if all(name.startswith("Same") for name in lost) else "distinct ones as well"
        raise Violation(
            f"of {made} calls of a visit {lost.total()} events are lost, {which} "
            f"(the first is {next(iter(lost))!r})"
        )
    if more := sent - wanted:
        raise Violation(
            f"{made} calls of a visit made {more.total()} requests too many, first {next(iter(more))!r}"
        )
