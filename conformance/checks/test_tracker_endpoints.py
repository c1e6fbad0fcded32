"""Slow, failing and forbidden endpoints must not harm the page or later events (DELIV-4, DELIV-7)."""

import socket
from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.endpoint_faults import (
    require_another,
    require_bounded,
    require_quiet,
    track_and_go_on,
)
from conformance.drivers.exits import require_once
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.targets.server import EVENT_PATH

# Resolves to true if a plain request for a URL is answered. The page's own fetch, before it is counted.
_REACHABLE = (
    "return (window.plainFetch ?? fetch)('{url}', {{ mode: 'no-cors' }}).then(() => true, () => false)"
)
_COUNT_FETCHES = """const bodies = [];
window.plainFetch = window.fetch.bind(window);
window.fetch = (url, options) => {
  if (String(url?.url ?? url).includes('.invalid')) bodies.push(String(options?.body));
  return plainFetch(url, options);
};
window.triesOf = (token) => bodies.filter((body) => body.includes(token)).length;
"""
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
    "tracker/deliv-7-answer-304",
    "tracker/deliv-7-answer-429",
    "tracker/deliv-7-answer-endless",
    "tracker/deliv-3-answer-103",
)
def test_failing_endpoint(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: an odd answer causes no exception and no endless retries, and the next event is sent.

    DELIV-3: an event that was answered with 200 is sent once.
    """
    track_and_go_on(instruments, engine, evidence, token)


@scenarios("tracker/deliv-3-ipv6-only")
def test_ipv6_only(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-3: an endpoint whose host is an IPv6 address gets each event once."""
    origin, sentinel = instruments.recorder.ipv6_origin, pages.sentinel_of(token)
    if not origin:
        raise NotTestable("this machine has no IPv6")
    evidence.sent = f"clickport.track('Signup {token}') for an endpoint at {origin}"
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page(before=pages.WATCH, endpoint=f"{origin}{EVENT_PATH}"))
        if not tab.run(_REACHABLE.format(url=f"{origin}/next/page")):
            raise NotTestable(f"{engine} does not reach {origin}")
        thrown = pages.run(tab, f"clickport.track('Signup {token}')")
        found = instruments.events(token)
        require_arrival(evidence, found, thrown)
        if found[0].origin not in origin:
            raise NotTestable(f"the tracker sends to {found[0].origin}, not to the endpoint in data-api")
        require_quiet(tab, pages.run(tab, f"clickport.track('Sentinel {sentinel}')"))
        require_once(instruments, evidence, token, sentinel)
        require_quiet(tab, None)


@scenarios("tracker/deliv-7-name-does-not-resolve")
def test_name_does_not_resolve(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: an endpoint whose name does not resolve raises nothing; the next event is tried, too.

    The page counts the calls of fetch with each event, because nothing arrives anywhere.
    """
    scheme = instruments.recorder.page_origin.partition("://")[0]
    endpoint, sentinel = f"{scheme}://clickport.invalid{EVENT_PATH}", pages.sentinel_of(token)
    evidence.sent = f"clickport.track('Signup {token}') for {endpoint}, then another event"
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page(before=pages.WATCH + _COUNT_FETCHES, endpoint=endpoint))
        thrown = None
        for own in (token, sentinel):
            thrown = pages.run(tab, f"clickport.track('Signup {own}')") or thrown
            # A plain request for the same name has failed: so has the event's before it.
            if tab.run(_REACHABLE.format(url=endpoint)):
                raise NotTestable(f"the name in {endpoint} resolves here")
            pages.let_the_page_know(tab)
        first, after, all_ = tab.run(f"return ['{token}', '{sentinel}', ''].map(triesOf)")
        evidence.received = {"calls of fetch with the event": first, "with the next one": after}
        require_quiet(tab, thrown)
    if not all_:
        raise NotTestable("the page sees no call of fetch for this endpoint: the tracker sends otherwise")
    if not after:
        raise Violation("after a failed event the next one was not tried")
    require_bounded(first)


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
        require_another(instruments, evidence, tab, token, thrown)


@scenarios("tracker/deliv-7-refused")
def test_refused_connection(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a refused connection raises nothing in the page."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        scheme = instruments.recorder.page_origin.partition("://")[0]
        refusing = f"{scheme}://127.0.0.1:{free.getsockname()[1]}{EVENT_PATH}"
    with closing(instruments.tab(engine)) as tab:
        url = instruments.page("no-endpoint.html", before=pages.WATCH, token=token, endpoint=refusing)
        _track_undeliverable(evidence, tab, url, token)


@scenarios("tracker/deliv-7-blocked-by-policy")
def test_blocked_by_policy(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DELIV-7: a Content-Security-Policy that blocks the endpoint does no harm to the page."""
    with closing(instruments.tab(engine)) as tab:
        policy = {"Content-Security-Policy": "connect-src 'self'"}
        url = instruments.page("no-endpoint.html", before=pages.WATCH, headers=policy, token=token)
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
    require_quiet(tab, tab.run("return window.thrown ?? null"))


def _set_online(tab: Tab, *, online: bool) -> None:
    """Set navigator.onLine and dispatch the event, as a browser does when the network goes or returns."""
    value, event = ("true", "online") if online else ("false", "offline")
    tab.run(
        f"Object.defineProperty(navigator, 'onLine', {{ value: {value}, configurable: true }}); "
        f"dispatchEvent(new Event('{event}'))"
    )


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
