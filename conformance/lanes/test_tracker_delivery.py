"""Events that are sent while their page is being left (DELIV-1, DELIV-2)."""

from conformance.bench import Bench
from conformance.evidence import Evidence, Violation
from conformance.lanes import pages
from conformance.lanes.exits import leave
from conformance.lanes.expectation import require_arrival
from conformance.lanes.marks import scenarios


@scenarios(
    "tracker/deliv-2-href-same-origin",
    "tracker/deliv-2-href-cross-origin",
    "tracker/deliv-2-replace-same-origin",
    "tracker/deliv-2-replace-cross-origin",
    "tracker/deliv-2-link-same-origin",
    "tracker/deliv-2-link-cross-origin",
    "tracker/deliv-2-form-same-origin",
    "tracker/deliv-2-form-cross-origin",
    "tracker/deliv-2-reload-same-origin",
    "tracker/deliv-2-back-same-origin",
    "tracker/deliv-2-window-close-same-origin",
    "tracker/deliv-2-tab-close-same-origin",
)
def test_event_outlives_page(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2: the event's request lives on when its page is left in the same task."""
    leave(bench, engine, evidence, token, evidence.case.id.partition("/deliv-2-")[2])


@scenarios("tracker/deliv-1-keepalive-survives-the-page")
def test_keepalive(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-1: the request is one that outlives its page, as only keepalive makes it."""
    leave(bench, engine, evidence, token, "href-cross-origin")


@scenarios("tracker/deliv-1-not-a-beacon")
def test_not_a_beacon(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-1: fetch sends the request, not sendBeacon.

    A beacon of text always has the mode no-cors. A fetch may have that too, so where the header leaves it
    open, a count of calls to sendBeacon in the page decides.
    """
    tab = bench.tab(engine)
    try:
        tab.goto(bench.page("beacon-watch.html"))
        evidence.sent = f"clickport.track('Signup {token}')"
        thrown = pages.run(tab, evidence.sent)
        found = bench.events(token)
        require_arrival(evidence, found, thrown)
        beacons = tab.run("return window.beacons")
    finally:
        tab.close()
    if beacons and any(exchange.header("Sec-Fetch-Mode") != "cors" for exchange in found):
        raise Violation("the event was sent by navigator.sendBeacon, expected fetch with keepalive: true")
