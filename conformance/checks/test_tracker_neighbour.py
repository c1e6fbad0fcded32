"""The tracker as a neighbour of the page: what it costs, and what it leaves behind (GOOD-1 to GOOD-6)."""

from conformance.drivers.markers import scenarios
from conformance.drivers.neighbour import (
    MOST_BYTES,
    MOST_ENTRIES,
    TrackerTraces,
    comes_back_untracked,
    visit,
)
from conformance.drivers.tracker_cost import (
    MOST_TO_CALL,
    MOST_TO_LOAD,
    Cost,
    cost_of_a_call,
    cost_of_loading,
)
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation


@scenarios("tracker/good-1-page-comes-back")
def test_page_comes_back(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-1: after a step back the page is restored, as it is without the tracker.

    If it is not, the page without the tracker is tried, and then once more the one with it, because a browser
    may drop a page for reasons of its own.
    """
    seen = _visit(instruments, engine, evidence)
    evidence.received = {"restored": seen.came_back, "notRestoredReasons": seen.reasons}
    if seen.came_back:
        return
    if not instruments.once(comes_back_untracked, engine):
        raise NotTestable(f"{engine} keeps no page in its back/forward cache here{_way_out(engine)}")
    if instruments.once(visit, engine, "second").came_back:
        raise NotTestable(f"{engine} restored the page with the tracker once, and once did not")
    why = f" (notRestoredReasons: {seen.reasons})" if seen.reasons else ""
    raise Violation(f"after a step back the page was loaded anew; without the tracker it is restored{why}")


@scenarios("tracker/good-2-no-listener-of-the-end")
def test_no_listener_of_the_end(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-2: no listener of unload or beforeunload, neither on load nor after calls."""
    evidence.received = found = _visit(instruments, engine, evidence).listeners
    if found:
        raise Violation(f"the tracker listens for the end of the page: {', '.join(dict.fromkeys(found))}")


@scenarios("tracker/good-5-no-cookie")
def test_no_cookie(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-5: the page has no cookie that it did not have before the tracker ran."""
    evidence.received = found = _visit(instruments, engine, evidence).cookies
    if found:
        raise Violation(f"the tracker set a cookie: {found[0][:100]}")


@scenarios("tracker/good-6-little-storage")
def test_little_storage(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-6: no more than a session id is stored."""
    seen = _visit(instruments, engine, evidence)
    total = sum(size for _, size in seen.entries)
    evidence.received = {"entries": seen.entries, "bytes": total, "stores": seen.stores}
    if seen.stores:
        raise Violation(f"the tracker keeps data in {seen.stores[0]}")
    if len(seen.entries) > MOST_ENTRIES or total > MOST_BYTES:
        named = ", ".join(name for name, _ in seen.entries[:5])
        raise Violation(
            f"the tracker keeps {len(seen.entries)} entries of {total} bytes, expected at most "
            f"{MOST_ENTRIES} of {MOST_BYTES} bytes together: {named}"
        )


@scenarios("tracker/good-4-cost-of-loading")
def test_cost_of_loading(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-4: the script runs about as long as an honest one, in units of an empty script."""
    evidence.sent = "the script's text in a script element of a new frame, and empty scripts beside it"
    _require_cheap(evidence, cost_of_loading(instruments, engine), MOST_TO_LOAD, "loading", "an empty script")


@scenarios("tracker/good-4-cost-of-a-call")
def test_cost_of_a_call(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-4: a call takes about as long as an honest one, in units of a bare fetch."""
    evidence.sent = "calls of track(), and of fetch() with keepalive, in turn"
    _require_cheap(evidence, cost_of_a_call(instruments, engine), MOST_TO_CALL, "a call", "a bare fetch")


def _require_cheap(evidence: Evidence, cost: Cost, most: float, what: str, unit: str) -> None:
    evidence.received = {f"{what}, ms": cost.tracker, f"{unit}, ms": cost.unit, "ratio": round(cost.ratio, 1)}
    if cost.ratio > most:
        raise Violation(
            f"{what} takes the main thread {cost.ratio:,.0f} times as long as {unit}, "
            f"expected at most {most:,} times"
        )


def _visit(instruments: Instruments, engine: str, evidence: Evidence) -> TrackerTraces:
    evidence.sent = "two calls of track(), each answered; then to another page and back"
    return instruments.once(visit, engine)


def _way_out(engine: str) -> str:
    return (
        ": its headless shell never does, Chromium itself is used if it is installed"
        if engine == "chromium"
        else ""
    )
