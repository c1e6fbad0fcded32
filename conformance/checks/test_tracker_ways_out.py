"""Newer and less common ways out of a page (DELIV-1, DELIV-2)."""

from contextlib import closing

from conformance.drivers import pages
from conformance.drivers.delivery_counts import count, repeat
from conformance.drivers.exits import leave, ping_path
from conformance.drivers.expectations import require_arrival
from conformance.drivers.features import require_feature
from conformance.drivers.markers import scenarios
from conformance.drivers.staying import ways_out
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import NotTestable, Violation

_LEAVE_SECONDS = 10.0
# Runs before the tracker, which may keep the function for later.
_WATCH_LATER = """window.later = 0;
if (window.fetchLater) {
  const own = window.fetchLater;
  window.fetchLater = function (...given) { window.later += 1; return own.apply(this, given) };
}
"""


@scenarios(
    "tracker/deliv-2-download-same-origin",
    "tracker/deliv-2-form-target-same-origin",
    "tracker/deliv-2-popup-noopener-same-origin",
    "tracker/deliv-2-intercept-same-origin",
    "tracker/deliv-2-mailto-same-origin",
    "tracker/deliv-2-print-same-origin",
)
def test_event_of_a_page_that_stays(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """DELIV-2: an event made in the task of a way out arrives, although the page stays behind."""
    way = evidence.case.id.partition("/deliv-2-")[2].removesuffix("-same-origin")
    number = instruments.setup.options.repeat
    outs = [instruments.once(ways_out, engine, turn)[way] for turn in range(number)]
    evidence.sent = f"clickport.track('Exit …'), and in the same task: {way}"
    if problems := [out.problem for out in outs if out.problem]:
        raise NotTestable(problems[0])
    evidence.delivery_counts = count([out.found for out in outs])
    lost = [out for out in outs if not out.found]
    evidence.wire(outs[0].found)
    if lost:
        beside = "arrived" if lost[0].plain else "did not arrive either"
        often = f" ({len(lost)} of {number} attempts)" if number > 1 else ""
        raise Violation(f"no request arrived: the event is lost; a plain request beside it {beside}{often}")


@scenarios("tracker/deliv-2-ping-same-origin")
def test_link_with_a_ping(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2: an event outlives its page if the link that is followed sends a ping as well."""

    def attempt(own: str) -> None:
        leave(instruments, engine, evidence, own, "ping-same-origin")
        if not instruments.recorder.seen(path=ping_path(own)):
            raise NotTestable(f"{engine} sends no pings")

    repeat(instruments, evidence, token, attempt, held=True)


@scenarios("tracker/deliv-2-view-transition-same-origin")
def test_view_transition(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-2: an event outlives its page if a view transition leads to the next one."""
    require_feature(instruments, engine, "view transitions between documents")

    def attempt(own: str) -> None:
        leave(instruments, engine, evidence, own, "view-transition-same-origin")

    repeat(instruments, evidence, token, attempt, held=True)


@scenarios("tracker/deliv-1-fetch-later")
def test_fetch_later(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-1, open: the use of fetchLater, and the arrival of the event at an exit."""
    require_feature(instruments, engine, "fetchLater")
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page(before=_WATCH_LATER))
        evidence.sent = f"clickport.track('Exit {token}'), and in the same task: location.href"
        tab.run(
            f"setTimeout(() => {{ window.leaving = true; try {{ clickport.track('Exit {token}') }} catch {{}}"
            " sessionStorage.later = window.later; location.href = '/next/page' })"
        )
        tab.wait_until("!window.leaving && location.pathname === '/next/page'", _LEAVE_SECONDS)
        with pages.reading_an_answer():
            calls = int(tab.run("return sessionStorage.later") or 0)
    found = instruments.events(token, seconds=EVENT_SECONDS)
    evidence.wire(found)
    evidence.notes = (f"sent by fetchLater: {calls} calls" if calls else "fetchLater is not used",)
    require_arrival(evidence, found)
