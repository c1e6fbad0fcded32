"""Events of pages with a service worker (DELIV-2, DELIV-3, DELIV-7)."""

from contextlib import closing

from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.drivers.workers import (
    ThroughWorker,
    control,
    failed_by_worker,
    through_worker,
    without_workers,
)
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.targets.server import EVENT_PATH

# More tries of one event than a bounded retry makes in the time of another event.
_ENDLESS = 11


@scenarios(
    "tracker/deliv-3-worker-passing",
    "tracker/deliv-3-worker-caching",
    "tracker/deliv-3-worker-standing-aside",
)
def test_once_through_a_worker(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """DELIV-3: an event arrives exactly once in a page that a service worker controls."""
    seen = _through(instruments, engine, evidence)
    if isinstance(seen.lost, NotTestable) and not seen.found:
        raise seen.lost
    require_arrival(evidence, seen.found)
    if len(seen.found) > 1:
        raise Violation(f"with a service worker one call made {len(seen.found)} requests, expected 1")
    if not seen.next_works:
        raise Violation("the event of a plain call made afterwards did not arrive")


@scenarios(
    "tracker/deliv-2-worker-passing",
    "tracker/deliv-2-worker-caching",
    "tracker/deliv-2-worker-standing-aside",
)
def test_exit_through_a_worker(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """DELIV-2: an event outlives its page although a service worker controls it."""
    seen = _through(instruments, engine, evidence)
    evidence.sent, evidence.received = seen.evidence.sent, seen.evidence.received
    evidence.timeline = seen.evidence.timeline
    if seen.lost:
        raise seen.lost.with_traceback(None)


@scenarios("tracker/deliv-7-worker-failing")
def test_failing_worker(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a service worker that fails an event's request raises nothing, and the next event is sent."""
    sentinel = pages.sentinel_of(token)
    with without_workers(instruments, engine), closing(instruments.tab(engine)) as tab:
        # Browsers report rejections to a page only from scripts of its own origin.
        endpoint = f"{instruments.recorder.endpoint_origin}{EVENT_PATH}"
        tab.goto(instruments.page(before=pages.WATCH, endpoint=endpoint))
        control(instruments, engine, tab, "failing", token)
        evidence.sent = f"clickport.track('Signup {token}'), then another event"
        thrown = pages.run(tab, f"clickport.track('Signup {token}')")
        pages.let_the_page_know(tab)
        pages.run(tab, f"clickport.track('Sentinel {sentinel}')")
        after = instruments.events(sentinel)
        found = instruments.events(token, 0)
        failed, raised = failed_by_worker(tab), pages.raised_in(tab)
    evidence.received = {"failed by the worker": failed, "arrived": len(found)}
    if thrown or raised:
        raise Violation(f"the call raised {thrown or raised[0]!r} in the page")
    if not after:
        raise Violation("after an event that the service worker failed the next one was not sent")
    if failed >= _ENDLESS:
        raise Violation(f"{failed} tries of one event within seconds: it is retried endlessly")
    if not failed:
        raise NotTestable(f"{engine} sends the event past the service worker")


def _through(instruments: Instruments, engine: str, evidence: Evidence) -> ThroughWorker:
    kind = evidence.case.id.partition("-worker-")[2]
    evidence.sent = f"clickport.track(…) in a page that a service worker controls ({kind})"
    return instruments.once(through_worker, engine, kind)
