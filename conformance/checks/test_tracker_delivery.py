"""Events that are sent while their page is being left (DELIV-1, DELIV-2)."""

from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import keepalive_budget, pages
from conformance.drivers.delivery_counts import repeat
from conformance.drivers.exits import leave, leave_listening, leave_once, require_once
from conformance.drivers.expectations import require_arrival
from conformance.drivers.features import require_feature
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation

_LEAVE_SECONDS = 10.0
# In total more than a browser's limits on keepalive (256 requests, 65,536 bytes); at any time far less.
_VISIT, _AT_ONCE, _NOTE = 300, 30, 250


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
    "tracker/deliv-2-back-cross-origin",
    "tracker/deliv-2-window-close-same-origin",
    "tracker/deliv-2-tab-close-same-origin",
    "tracker/deliv-2-form-get-same-origin",
    "tracker/deliv-2-form-get-cross-origin",
    "tracker/deliv-2-forward-same-origin",
    "tracker/deliv-2-forward-cross-origin",
    "tracker/deliv-2-frame-removed-same-origin",
)
def test_event_outlives_page(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2: the event's request outlives its page when that is left in the same task."""
    exit_ = evidence.case.id.partition("/deliv-2-")[2]
    repeat(
        instruments, evidence, token, lambda own: leave(instruments, engine, evidence, own, exit_), held=True
    )


@scenarios("tracker/deliv-2-new-tab-same-origin", "tracker/deliv-2-new-tab-cross-origin")
def test_event_beside_a_new_tab(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-2: the event arrives although a new tab covers its page immediately."""
    origin = (
        instruments.recorder.endpoint_origin
        if evidence.case.id.endswith("cross-origin")
        else instruments.recorder.page_origin
    )

    def attempt(own: str) -> None:
        page = instruments.page(
            "leave.html", token=own, next=f"{origin}/next/page", control=f"{origin}/control/{own}"
        )
        evidence.sent = f"a click on a link with target=_blank whose handler calls track('Exit {own}')"
        with closing(instruments.tab(engine)) as tab:
            tab.goto(page)
            tab.popup("document.getElementById('new-tab').click()").close()
            require_arrival(evidence, instruments.events(own))

    repeat(instruments, evidence, token, attempt)


@scenarios("tracker/deliv-5-60-kb-on-exit", "tracker/deliv-5-180-kb-on-exit")
def test_large_event_outlives_page(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-5: a large event outlives its page if it fits the browser's budget; beyond that it is open."""
    call = keepalive_budget.large_call(token, int(evidence.case.id.split("-")[2]))
    leave(instruments, engine, evidence, token, "href-same-origin", call=call)


@scenarios("tracker/deliv-6-ten-of-10-kb-on-exit", "tracker/deliv-6-300-small-ones-on-exit")
def test_burst_on_exit(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-6, open: the events of a burst that arrive when the page is left in the same task."""
    name = evidence.case.id.partition("/deliv-6-")[2].removesuffix("-on-exit")
    burst = keepalive_budget.BURSTS[name]
    with closing(instruments.tab(engine)) as tab:
        following = instruments.page()
        tab.goto(instruments.page())
        evidence.sent = f"{burst.script(token)}; location.href = '{following}'"
        tab.run(f"setTimeout(() => {{ window.leaving = true; {evidence.sent} }})")
        tab.wait_until("!window.leaving && window.clickport", _LEAVE_SECONDS)
        keepalive_budget.require_whole(instruments, evidence, tab, token=token, burst=burst, thrown=None)


@scenarios(
    "tracker/deliv-2-pagehide-same-origin",
    "tracker/deliv-2-visibilitychange-same-origin",
    "tracker/deliv-2-beforeunload-same-origin",
    "tracker/deliv-2-pageswap-same-origin",
)
def test_event_of_a_listener(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2, open: an event made by a listener while the page is being left."""
    event = evidence.case.id.split("-")[2]
    require_feature(instruments, engine, f"{event} event")

    def attempt(own: str) -> None:
        if not leave_listening(instruments, engine, evidence, own, event):
            raise Violation("no request arrived: the event is lost")

    repeat(instruments, evidence, token, attempt)


@scenarios("tracker/deliv-1-keepalive-survives-the-page")
def test_keepalive(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-1: the request outlives its page, which only keepalive makes possible."""
    leave(instruments, engine, evidence, token, "href-cross-origin")


@scenarios("tracker/deliv-1-after-300-events")
def test_keepalive_late_in_a_visit(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-1: the request outlives its page after 300 others, all answered."""
    before = pages.sentinel_of(token)

    def visit(tab: Tab) -> None:
        for sent in range(0, _VISIT, _AT_ONCE):
            script = (
                f"for (let i = {sent}; i < {sent + _AT_ONCE}; i++) "
                f"clickport.track('Item ' + i + ' {before}', {{ note: 'x'.repeat({_NOTE}) }})"
            )
            pages.run(tab, script)
            # Their arrival is judged by WIRE-4, not here.
            instruments.events(before, sent + _AT_ONCE, answered=True)
        pages.let_the_page_know(tab)

    leave(instruments, engine, evidence, token, "href-cross-origin", earlier=visit)
    evidence.sent = f"{_VISIT} events in groups of {_AT_ONCE}, each answered; then {evidence.sent}"


@scenarios("tracker/deliv-1-not-a-beacon")
def test_not_a_beacon(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-1: the request is sent by fetch, not by sendBeacon.

    A beacon of text always has the mode no-cors. A fetch may have it too; if Sec-Fetch-Mode does not rule out
    a beacon, the count of calls to sendBeacon in the page decides.
    """
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page("beacon-watch.html"))
        evidence.sent = f"clickport.track('Signup {token}')"
        thrown = pages.run(tab, evidence.sent)
        found = instruments.events(token)
        require_arrival(evidence, found, thrown)
        beacons = tab.run("return window.beacons")
    if beacons and any(exchange.header("Sec-Fetch-Mode") != "cors" for exchange in found):
        raise Violation("the event was sent by navigator.sendBeacon, expected fetch with keepalive: true")


@scenarios(
    "tracker/deliv-3-once-href",
    "tracker/deliv-3-once-link",
    "tracker/deliv-3-once-form",
    "tracker/deliv-3-once-reload",
    "tracker/deliv-3-once-back",
    "tracker/deliv-3-once-window-close",
)
def test_once(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: an event is sent exactly once across an exit, and a later one from the next page arrives."""
    exit_ = evidence.case.id.partition("/deliv-3-once-")[2]
    evidence.sent = f"clickport.track('Exit {token}'), and in the same task: {exit_}"
    with closing(instruments.tab(engine)) as tab:
        leave_once(instruments, tab, token, exit_)
        instruments.events(token)
        sentinel = pages.sentinel_of(token)
        tab.run(f"clickport.track('Sentinel {sentinel}')")
        require_once(instruments, evidence, token, sentinel)


@scenarios(
    "tracker/deliv-3-ten-at-once-href",
    "tracker/deliv-3-ten-at-once-reload",
    "tracker/deliv-3-ten-at-once-back",
)
def test_ten_at_once(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: events in flight when their page is left arrive exactly once, whatever their promises say.

    If the page has a listener for its end, Chromium rejects fetches whose requests have arrived.
    """
    exit_ = evidence.case.id.partition("/deliv-3-ten-at-once-")[2]
    burst = keepalive_budget.KeepaliveBurst(number=10)
    script = f"addEventListener('pagehide', () => {{}}); {burst.script(token)}"
    evidence.sent = f"{script}, and in the same task: {exit_}"
    with closing(instruments.tab(engine)) as tab:
        leave_once(instruments, tab, token, exit_, call=script)
        keepalive_budget.require_whole(instruments, evidence, tab, token=token, burst=burst, thrown=None)


@scenarios("tracker/deliv-3-tab-in-the-background")
def test_tab_in_the_background(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: a page behind another tab sends each of two events once."""
    sentinel = pages.sentinel_of(token)
    tab = instruments.tab(engine)
    front = None
    try:
        tab.goto(instruments.page())
        front = tab.popup(f"window.open('{instruments.recorder.page_origin}/next/page')")
        seen = tab.run("return document.visibilityState")
        evidence.sent = (
            f"clickport.track('Kept {token}') in a tab behind another; its visibilityState is {seen}"
        )
        thrown = pages.run(tab, f"clickport.track('Kept {token}')")
        require_arrival(evidence, instruments.events(token), thrown)
        pages.run(tab, f"clickport.track('Sentinel {sentinel}')")
        require_once(instruments, evidence, token, sentinel)
    finally:
        if front:
            front.close()
        tab.close()


@scenarios("tracker/deliv-3-frozen-page-restored")
def test_frozen_page_restored(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: a page restored from the back/forward cache repeats no event and sends new ones."""
    sentinel, back = pages.sentinel_of(token), f"/control/{token}"
    with closing(instruments.tab(engine, frozen_pages=True)) as tab:
        tab.goto(instruments.page(before=pages.reporting_script(instruments, back), stored=True))
        evidence.sent = f"clickport.track('Kept {token}'), on to another page and back"
        # The page acts by itself, because automation may lose track of a frozen page.
        tab.run(
            "addEventListener('pageshow', (event) => { if (event.persisted)"
            f" clickport.track('Sentinel {sentinel}') }}); clickport.track('Kept {token}')"
        )
        instruments.events(token)
        tab.goto(instruments.page(stored=True))
        tab.run("setTimeout(() => history.back())")
        if not pages.restored(instruments, back):
            raise NotTestable(f"{engine} did not restore the page from its back/forward cache")
        require_once(instruments, evidence, token, sentinel)
