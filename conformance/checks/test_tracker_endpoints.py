"""Slow, failing and forbidden endpoints must not harm the page or later events (DELIV-4, DELIV-7)."""

import socket
from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import NotTestable, Violation

# More requests for one event than a bounded retry makes in the time of another event.
_ENDLESS = 11
_LEAVE_SECONDS = 10.0
_NEXT = "!window.leaving && document.readyState === 'complete'"
# A navigation that waits for a timer or an answer takes longer than this; any other takes some ms.
_DELAY_MS = 100.0
_TRIES = 5


@scenarios(
    "tracker/deliv-7-answer-500",
    "tracker/deliv-7-answer-404",
    "tracker/deliv-7-answer-301",
    "tracker/deliv-7-reset",
    "tracker/deliv-7-hang",
)
def test_failing_endpoint(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a failing endpoint causes no exception and no endless retries, and gets the next event."""
    kind = evidence.case.id.rpartition("-")[2]
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, kind):
        tab.goto(instruments.page(before=pages.WATCH))
        _track_and_go_on(instruments, evidence, tab, token)


@scenarios("tracker/deliv-7-offline-then-online")
def test_offline_then_online(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a call made offline raises nothing, and events are sent once the page is online."""
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, "reset"):
        tab.goto(instruments.page(before=pages.WATCH))
        _set_online(tab, online=False)
        evidence.sent = f"clickport.track('Signup {token}') offline, then another event online"
        thrown = pages.run(tab, f"clickport.track('Signup {token}')")
        # Offline, a tracker may try or keep the event: both are over before the page continues.
        instruments.events(token, seconds=LATE_EVENT_SECONDS, gone=True)
        pages.let_the_page_know(tab)
        instruments.recorder.end_faults()
        _set_online(tab, online=True)
        _require_another(instruments, evidence, tab, token, thrown)


@scenarios("tracker/deliv-7-refused")
def test_refused_connection(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a refused connection raises nothing in the page."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        refusing = f"http://127.0.0.1:{free.getsockname()[1]}/api/event"
    with closing(instruments.tab(engine)) as tab:
        url = instruments.page("no-endpoint.html", before=pages.WATCH, token=token, endpoint=refusing)
        _track_undeliverable(evidence, tab, url, token)


@scenarios("tracker/deliv-7-blocked-by-policy")
def test_blocked_by_policy(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a Content-Security-Policy that blocks the endpoint does no harm to the page."""
    with closing(instruments.tab(engine)) as tab:
        url = instruments.page("policy.html", before=pages.WATCH, token=token)
        _track_undeliverable(evidence, tab, url, token)
        if instruments.recorder.seen(token=token, method="POST"):
            raise NotTestable(f"{engine} sent the request despite the policy")


@scenarios("tracker/deliv-4-exit-does-not-wait")
def test_exit_does_not_wait(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-4: the next page loads although the event is never answered."""
    _require_sending(instruments, engine, evidence, token)
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, "hang"):
        try:
            tab.goto(
                instruments.page(
                    "leave-by-click.html", token=token, next=f"{instruments.recorder.page_origin}/next/page"
                )
            )
            evidence.sent = f"a click on a link whose handler calls clickport.track('Exit {token}')"
            tab.click("#link")
            tab.wait_until(_NEXT, _LEAVE_SECONDS)
        except TimeoutError as error:
            raise Violation(
                f"the page was not left within {_LEAVE_SECONDS:g} s: the click waits for an answer"
            ) from error


@scenarios("tracker/deliv-4-link-not-delayed")
def test_link_is_not_delayed(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-4: a navigation starts as soon after the click as on the same page without a tracker."""
    _require_sending(instruments, engine, evidence, token)
    took: dict[str, list[float]] = {"leave-by-click.html": [], "leave-untracked.html": []}
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, "hang"):
        for _ in range(_TRIES):
            for template, times in took.items():
                times.append(_time_of_exit(instruments, tab, template, token))
    tracked, untracked = (sorted(times)[_TRIES // 2] for times in took.values())
    evidence.sent = f"{_TRIES} clicks on a link whose handler calls clickport.track, {_TRIES} on one without"
    evidence.received = {"with the tracker, ms": took["leave-by-click.html"], "without, ms": untracked}
    if tracked - untracked > _DELAY_MS:
        raise Violation(
            f"the navigation started {tracked:.0f} ms after the click, {untracked:.0f} ms without a tracker "
            f"(medians of {_TRIES}): the tracker delays it"
        )


@scenarios("tracker/deliv-4-call-returns-at-once")
def test_call_returns_at_once(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-4: a call returns, and the page's next task runs, while its request has no answer."""
    with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, "hang"):
        try:
            tab.goto(instruments.page())
            evidence.sent = f"clickport.track('Signup {token}')"
            tab.run(f"setTimeout(() => {{ {evidence.sent}; window.returned = true }})")
            tab.wait_until("window.returned", _LEAVE_SECONDS)
            if not instruments.events(token, held=True):
                raise Violation("no request arrived: the event is lost")
        except TimeoutError as error:
            raise Violation(
                f"the call did not return within {_LEAVE_SECONDS:g} s: it waits for the answer"
            ) from error


def _require_sending(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Require that an event arrives at all; a silent tracker would pass without proving anything."""
    probe, tab = pages.sentinel_of(token), instruments.shared_tab(engine)
    tab.goto(instruments.page())
    thrown = pages.run(tab, f"clickport.track('Signup {probe}')")
    require_arrival(evidence, instruments.events(probe), thrown)


def _track_and_go_on(instruments: Instruments, evidence: Evidence, tab: Tab, token: str) -> None:
    evidence.sent = f"clickport.track('Signup {token}'), then another event"
    thrown = pages.run(tab, f"clickport.track('Signup {token}')")
    first = instruments.events(token)
    if first and not first[0].held:
        # The next call is made once the page, and thus the tracker, knows of the failure.
        over = {"gone": True} if evidence.case.id.endswith("-reset") else {"answered": True}
        instruments.events(token, **over)
        pages.let_the_page_know(tab)
    _require_another(instruments, evidence, tab, token, thrown)
    if not first:
        raise Violation("no request arrived: the event is lost")


def _require_another(
    instruments: Instruments, evidence: Evidence, tab: Tab, token: str, thrown: str | None
) -> None:
    """Require that nothing was raised, the next event arrives, and the first is not retried endlessly."""
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    after = instruments.events(pages.sentinel_of(token))
    found = instruments.events(token, _ENDLESS, seconds=LATE_EVENT_SECONDS)
    evidence.wire(found[:3])
    _require_quiet(tab, thrown)
    if not after:
        raise Violation("after a failed event the next one was not sent")
    if len(found) >= _ENDLESS:
        raise Violation(f"{len(found)} requests for one event within seconds: it is retried endlessly")


def _track_undeliverable(evidence: Evidence, tab: Tab, url: str, token: str) -> None:
    """Make calls whose events cannot arrive; the page's own handlers must run on. Raises Violation."""
    evidence.sent = f"clickport.track('Signup {token}') in a page whose handler goes on afterwards"
    try:
        tab.goto(url)
        tab.click("#go")
        tab.wait_until("window.handled === 2 || window.raised.length > 0", _LEAVE_SECONDS)
    except TimeoutError as error:
        raise Violation(
            f"the page's handlers did not finish within {_LEAVE_SECONDS:g} s of an event that cannot arrive"
        ) from error
    # An unhandled rejection is reported only after the task of the refusal.
    pages.let_the_page_know(tab)
    _require_quiet(tab, tab.run("return window.thrown ?? null"))


def _set_online(tab: Tab, *, online: bool) -> None:
    """Set navigator.onLine and dispatch the event, as a browser does when the network goes or returns."""
    value, event = ("true", "online") if online else ("false", "offline")
    tab.run(
        f"Object.defineProperty(navigator, 'onLine', {{ value: {value}, configurable: true }}); "
        f"dispatchEvent(new Event('{event}'))"
    )


def _require_quiet(tab: Tab, thrown: str | None) -> None:
    if thrown:
        raise Violation(f"the call threw {thrown} into the page")
    if raised := pages.raised_in(tab):
        raise Violation(f"the call raised {raised[0]!r} in the page, uncaught")


def _time_of_exit(instruments: Instruments, tab: Tab, template: str, token: str) -> float:
    """Return the milliseconds from a click on a link to the end of the next page's response."""
    tab.goto(instruments.page(template, token=token, next=f"{instruments.recorder.page_origin}/next/page"))
    try:
        tab.click("#link")
        tab.wait_until(_NEXT, _LEAVE_SECONDS)
    except TimeoutError as error:
        raise Violation(f"the page was not left within {_LEAVE_SECONDS:g} s of a click on a link") from error
    return float(
        tab.run(
            "const [entry] = performance.getEntriesByType('navigation');"
            "return performance.timeOrigin + entry.responseEnd - Number(sessionStorage.clicked)"
        )
    )
