"""Exits (ways to leave a page) in the task of a call, and the test for a request that outlives its page.

The recorder holds the answers to the event and to a plain request of the suite's own, the negative control,
until the browser abandons the control: then the page is gone. It answers the event with a redirect (307),
which only a request that outlived its page follows: 50 of 50 with keepalive and 0 of 50 without it, in each
of three engines. If a server cannot notice that a request was cancelled (``CANCELS_SILENTLY``), the control
is answered with a redirect first, and must not follow it.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from conformance.browsers import CANCELS_SILENTLY, Tab
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import NotTestable, SuiteFault, Violation
from conformance.recorder import Exchange

_GONE_SECONDS = 10.0
_SURVIVAL_SECONDS = 5.0
_NEXT_PAGE_IS_THERE = "!window.leaving && document.readyState === 'complete'"
_SAME, _CROSS = "-same-origin", "-cross-origin"


@dataclass(frozen=True, kw_only=True)
class ExitScenario:
    """The tab, URLs and scripts of an exit.

    ``calls`` is the script of the tracked call and of the plain request after it; ``earlier`` uses the page
    before that.
    """

    tab: Tab
    page: str
    next: str
    calls: str
    framing: str = ""
    earlier: Callable[[Tab], None] | None = None

    def in_one_task(self, exit_: str) -> None:
        """Open the page, then make the calls and the exit in one task."""
        self.tab.goto(self.page)
        if self.earlier:
            self.earlier(self.tab)
        self.tab.run(f"setTimeout(() => {{ {self.calls} {exit_} }})")


def leave(
    instruments: Instruments,
    engine: str,
    evidence: Evidence,
    token: str,
    exit_: str,
    *,
    call: str = "",
    earlier: Callable[[Tab], None] | None = None,
) -> list[Exchange]:
    """Make a tracked call and leave the page; return the event's requests that outlived it.

    ``exit_`` is one of ``EXITS`` with its target, such as ``link-cross-origin``. Exits by script may replace
    the call of a bare name by ``call``, and use the page first by ``earlier``. Raises Violation if the event
    was lost with its page, NotTestable if the page is not left within 10 s while the answer is held, and
    SuiteFault if the suite's own plain request outlived the page.
    """
    recorder = instruments.recorder
    way = exit_.removesuffix(_SAME).removesuffix(_CROSS)
    origin = recorder.endpoint_origin if exit_.endswith(_CROSS) else recorder.page_origin
    tracked = call or f"clickport.track('Exit {token}')"
    control = f"{recorder.endpoint_origin}/control/{token}"
    options = f"{{ method: 'POST', body: '{token}', mode: 'no-cors' }}"
    plain = f"(window.plainFetch ?? fetch)('{control}?called=' + called, {options})"
    scenario = ExitScenario(
        tab=instruments.tab(engine),
        page=instruments.page(
            "leave.html",
            token=token,
            next=f"{origin}/next/page",
            control=control,
            ping=f"{recorder.endpoint_origin}{ping_path(token)}",
        ),
        framing=instruments.page("frame.html", inner=instruments.page()) if way == "frame-removed" else "",
        next=f"{origin}/next/page",
        earlier=earlier,
        calls="window.leaving = true; const called = Date.now();"
        f" try {{ {tracked} }} catch {{}} {plain}.catch(() => {{}});",
    )
    evidence.sent = f"{tracked}, and in the same task: {exit_}"
    recorder.hold(token)
    try:
        EXITS[way](scenario)
        if way in CLOSING:
            _settle(instruments, engine, scenario.next)
        elif way != "frame-removed":
            scenario.tab.wait_until(_NEXT_PAGE_IS_THERE, _GONE_SECONDS)
    except TimeoutError as error:
        raise NotTestable(
            f"the page was not left within {_GONE_SECONDS:g} s while its event had no answer: "
            "the exit waits for the endpoint, or the page hangs (see DELIV-4)"
        ) from error
    else:
        silent = (engine, instruments.setup.options.protocol) in CANCELS_SILENTLY
        _require_given_up(instruments, token, silent=silent)
        return _outlived(instruments, evidence, token)
    finally:
        recorder.end_hold()
        if not scenario.tab.closed:
            with suppress(TimeoutError):  # The page's fault is reported already.
                scenario.tab.wait_until(_NEXT_PAGE_IS_THERE, _GONE_SECONDS)
            scenario.tab.close()


def ping_path(token: str) -> str:
    """Return the path of the ping of an event's link. The token is reversed, so that no ping is its event."""
    return f"/control/ping/{token[::-1]}"


def leave_listening(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, event: str
) -> list[Exchange]:
    """Leave a page in which a listener of ``event`` makes the tracked call; return the requests that arrived.

    There is no negative control: engines differ in what they still send then, plain requests included.
    """
    target = "document" if event == "visibilitychange" else "window"
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page())
        evidence.sent = f"clickport.track('Exit {token}') in a {event} listener, and location.href"
        tab.run(
            f"{target}.addEventListener('{event}', () => {{ window.leaving = true; "
            f"clickport.track('Exit {token}') }}); "
            f"setTimeout(() => {{ location.href = '{instruments.recorder.page_origin}/next/page' }})"
        )
        tab.wait_until(f"location.pathname === '/next/page' && {_NEXT_PAGE_IS_THERE}", _GONE_SECONDS)
        found = instruments.events(token, seconds=LATE_EVENT_SECONDS)
        evidence.wire(found)
        return found


def _settle(instruments: Instruments, engine: str, url: str) -> None:
    """Load a page in a new tab, so that the requests of a closed tab have left the browser."""
    tab = instruments.tab(engine)
    tab.goto(url)
    tab.close()


def _require_given_up(instruments: Instruments, token: str, *, silent: bool) -> None:
    """Require that the plain request was abandoned with its page. Raises SuiteFault.

    If ``silent``, the recorder may not notice that. Then the request is answered here, and ``_outlived``
    requires that it does not follow the redirect.
    """
    control = {"token": token, "path": f"/control/{token}"}
    if not instruments.recorder.seen(**control):
        return  # Abandoned before it was sent: by Firefox on navigation, by every engine when a tab closes.
    if silent:
        instruments.recorder.release_controls()
    end = {"over": True} if silent else {"gone": True}
    if not instruments.recorder.wait(1, **control, **end, seconds=_GONE_SECONDS):
        raise SuiteFault(
            "the negative control, a plain fetch by the suite, was not abandoned with its page: "
            "nothing can be concluded from this browser"
        )


def _outlived(instruments: Instruments, evidence: Evidence, token: str) -> list[Exchange]:
    recorder = instruments.recorder
    cancelled = instruments.events(token, 0, gone=True)
    recorder.release()
    survivors = instruments.events(
        token, seconds=1 if cancelled else _SURVIVAL_SECONDS, method="POST", held=False
    )
    found = instruments.events(token, 0)
    cut = recorder.seen(token=token, cut=True, sent=True)
    controls = recorder.seen(token=token, path=f"/control/{token}")
    evidence.wire(found + cut)
    evidence.moments(found + cut, [control for control in controls if not control.followed])
    _require_protocol(instruments, found + controls)
    if any(control.followed for control in controls):
        raise SuiteFault(
            "the negative control, a plain fetch by the suite, followed a redirect after its page was left: "
            "nothing can be concluded from this browser"
        )
    if survivors:
        return survivors
    if cancelled or cut:
        reset = next((exchange.reset for exchange in cancelled + cut if exchange.reset), "")
        how = f"its stream was reset by RST_STREAM {reset}" if reset else "its connection was closed"
        when = "before any answer" if cancelled else "before its body had ended"
        raise Violation(
            "the browser cancelled the request when its page was left: it was sent without keepalive, "
            f"or the tracker aborted it ({how} {when}, as was that of a plain fetch beside it)"
        )
    raise Violation("no request outlived the page: the event is lost when the page is left")


def _require_protocol(instruments: Instruments, exchanges: Sequence[Exchange]) -> None:
    """Require that requests came over the run's HTTP version. Raises SuiteFault."""
    protocol = instruments.setup.options.protocol
    expected = "HTTP/2" if protocol == "http2" else "HTTP/1.1"
    if others := {exchange.http for exchange in exchanges} - {expected}:
        raise SuiteFault(f"requests came over {', '.join(sorted(others))}, although --protocol is {protocol}")


def _href(scenario: ExitScenario) -> None:
    scenario.in_one_task(f"location.href = '{scenario.next}'")


def _replace(scenario: ExitScenario) -> None:
    scenario.in_one_task(f"location.replace('{scenario.next}')")


def _reload(scenario: ExitScenario) -> None:
    scenario.in_one_task("location.reload()")


def _back(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.next)
    scenario.in_one_task("history.back()")


def _link(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.click("#link")


def _ping(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.click("#ping")


def _view_transition(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    # A page that was never drawn has no transition; one that is hidden is not drawn at all.
    scenario.tab.run(
        "const style = document.createElement('style');"
        " style.textContent = '@view-transition { navigation: auto }'; document.head.append(style);"
        " return new Promise((done) => { setTimeout(done, 1000);"
        " requestAnimationFrame(() => requestAnimationFrame(() => done())) })"
    )
    scenario.tab.run(f"setTimeout(() => {{ {scenario.calls} location.href = '{scenario.next}' }})")
    scenario.tab.wait_until(_NEXT_PAGE_IS_THERE, _GONE_SECONDS)
    # The next page knows of the transition when it is shown first, which may be after its load event.
    with suppress(TimeoutError):
        scenario.tab.wait_until("window.transition !== undefined", _SURVIVAL_SECONDS)
    if not scenario.tab.run("return Boolean(window.transition)"):
        raise NotTestable("the next page came without a view transition")


def _form(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.click("#submit")


def _form_get(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.click("#submit-get")


def _forward(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.goto(scenario.next)
    scenario.tab.run("setTimeout(() => history.back())")
    scenario.tab.wait_until("document.getElementById('link') && window.clickport", _GONE_SECONDS)
    scenario.tab.run(f"setTimeout(() => {{ {scenario.calls} history.forward() }})")


def _frame_removed(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.framing)
    script = json.dumps(f"setTimeout(() => {{ {scenario.calls} frameElement.remove() }})")
    scenario.tab.run(f"document.querySelector('iframe').contentWindow.eval({script})")
    scenario.tab.wait_until("!document.querySelector('iframe')", _GONE_SECONDS)


def _window_close(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    window = scenario.tab.popup(f"window.popup = window.open('{scenario.page}')")
    window.run(f"setTimeout(() => {{ {scenario.calls} window.close() }})")
    # The opener knows when the window is closed; the automation's own events are sometimes late.
    try:
        scenario.tab.wait_until("window.popup.closed", _GONE_SECONDS)
    except TimeoutError:
        window.close()  # A page that hangs would block the browser for later cases.
        raise


def _tab_close(scenario: ExitScenario) -> None:
    scenario.tab.goto(scenario.page)
    scenario.tab.run(scenario.calls)
    scenario.tab.close()


EXITS: dict[str, Callable[[ExitScenario], None]] = {
    "href": _href,
    "replace": _replace,
    "link": _link,
    "ping": _ping,
    "view-transition": _view_transition,
    "form": _form,
    "reload": _reload,
    "back": _back,
    "form-get": _form_get,
    "forward": _forward,
    "frame-removed": _frame_removed,
    "window-close": _window_close,
    "tab-close": _tab_close,
}
CLOSING = {"window-close", "tab-close"}


def leave_once(instruments: Instruments, tab: Tab, token: str, way: str, *, call: str = "") -> None:
    """Make a tracked call and leave the page in the same task; return when the next page has loaded.

    Exits by script may replace the call of a bare name by ``call``.
    """
    following = instruments.page()
    page = instruments.page(
        "leave.html",
        token=token,
        next=following,
        control=f"{instruments.recorder.endpoint_origin}/control/{token}",
    )
    tracked = call or f"clickport.track('Exit {token}')"
    scenario = ExitScenario(
        tab=tab,
        page=page,
        next=following,
        calls=f"window.leaving = true; try {{ {tracked} }} catch {{}}",
    )
    EXITS[way](scenario)
    if way not in CLOSING:
        tab.wait_until(f"{_NEXT_PAGE_IS_THERE} && window.clickport", _GONE_SECONDS)


def require_once(instruments: Instruments, evidence: Evidence, token: str, sentinel: str) -> None:
    """Require that an event has arrived exactly once by the time the sentinel has. Raises Violation."""
    after = instruments.events(sentinel)
    found = instruments.events(token, 2, seconds=LATE_EVENT_SECONDS)
    evidence.wire(found)
    if not found:
        raise Violation("no request arrived: the event is lost when the page is left")
    if len(found) > 1:
        raise Violation(f"one call made {len(found)} requests across the exit, expected 1")
    if not after:
        raise Violation("the event of a plain call made afterwards did not arrive")
