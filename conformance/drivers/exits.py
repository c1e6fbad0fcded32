"""Ways to leave a page in the task of a call, and how it is told whether the request outlived the page.

The recorder keeps the answers to the event and to a plain request of our own back until the browser has
given the latter up: then the page is gone. It answers the event with a redirect (307), which only a request
that lives on without its page follows: 50 of 50 with keepalive, 0 of 50 without, in three engines.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from conformance.browsers import Tab
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
    """What an exit needs: ``calls`` is the script of the tracked call and of the plain request after it.

    ``earlier`` is what the page has been used for by then.
    """

    tab: Tab
    page: str
    next: str
    calls: str
    framing: str = ""
    earlier: Callable[[Tab], None] | None = None

    def in_one_task(self, exit_: str) -> None:
        """Open the page, and make the calls and the exit in one task of it."""
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

    ``exit_`` is one of ``EXITS`` and where it leads, such as ``link-cross-origin``; ``call`` is another call
    than that of a bare name, and ``earlier`` what is done in the page before it, for exits by script. Raises
    Violation when the event died with its page, NotTestable when the page is not left while the answer is
    held back, and SuiteFault when our own plain request lived on.
    """
    recorder = instruments.recorder
    way = exit_.removesuffix(_SAME).removesuffix(_CROSS)
    origin = recorder.endpoint_origin if exit_.endswith(_CROSS) else recorder.page_origin
    tracked = call or f"clickport.track('Exit {token}')"
    control = f"{recorder.endpoint_origin}/control/{token}"
    options = f"{{ method: 'POST', body: '{token}', mode: 'no-cors' }}"
    plain = f"(window.plainFetch ?? fetch)('{control}?called=' + called, {options})"
    scene = ExitScenario(
        tab=instruments.tab(engine),
        page=instruments.page("leave.html", token=token, next=f"{origin}/next/page", control=control),
        framing=instruments.page("frame.html", inner=instruments.page()) if way == "frame-removed" else "",
        next=f"{origin}/next/page",
        earlier=earlier,
        calls="window.leaving = true; const called = Date.now();"
        f" try {{ {tracked} }} catch {{}} {plain}.catch(() => {{}});",
    )
    evidence.sent = f"{tracked}, and in the same task: {exit_}"
    recorder.hold(token)
    try:
        EXITS[way](scene)
        if way in CLOSING:
            _settle(instruments, engine, scene.next)
        elif way != "frame-removed":
            scene.tab.wait_until(_NEXT_PAGE_IS_THERE, _GONE_SECONDS)
    except TimeoutError as error:
        raise NotTestable(
            f"the page was not left within {_GONE_SECONDS:g} s while its event had no answer: "
            "the exit waits for the endpoint, or the page hangs (DELIV-4)"
        ) from error
    else:
        _require_given_up(instruments, token)
        return _outlived(instruments, evidence, token)
    finally:
        recorder.end_hold()
        if not scene.tab.closed:
            with suppress(TimeoutError):  # What is wrong with the page has been told.
                scene.tab.wait_until(_NEXT_PAGE_IS_THERE, _GONE_SECONDS)
            scene.tab.close()


def leave_listening(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, event: str
) -> list[Exchange]:
    """Leave a page in which a listener of ``event`` makes the tracked call; return what arrived, if anything.

    What an engine still sends at that moment differs, of plain requests as well: there is no control.
    """
    target = "document" if event == "visibilitychange" else "window"
    tab = instruments.tab(engine)
    try:
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
    finally:
        tab.close()


def _settle(instruments: Instruments, engine: str, url: str) -> None:
    """Load a page in a tab of its own: what a closed tab had still to send is on its way by then."""
    tab = instruments.tab(engine)
    tab.goto(url)
    tab.close()


def _require_given_up(instruments: Instruments, token: str) -> None:
    """Require that the plain request ended with its page, which is gone. Raises SuiteFault."""
    control = {"token": token, "path": f"/control/{token}"}
    if not instruments.recorder.seen(**control):
        return  # Given up before it had left: by Firefox when a navigation begins, by all when a tab closes.
    if not instruments.recorder.wait(1, **control, gone=True, seconds=_GONE_SECONDS):
        raise SuiteFault(
            "the negative control, a plain fetch of the suite's own, was not given up with its page: "
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
    evidence.wire(found)
    evidence.moments(found, recorder.seen(token=token, path=f"/control/{token}"))
    if survivors:
        return survivors
    if cancelled:
        raise Violation(
            "the browser cancelled the request when its page went away: it was sent without keepalive "
            "(the connection was closed before any answer, like that of a plain fetch made beside it)"
        )
    raise Violation("no request outlived the page: the event is lost when the page is left")


def _href(scene: ExitScenario) -> None:
    scene.in_one_task(f"location.href = '{scene.next}'")


def _replace(scene: ExitScenario) -> None:
    scene.in_one_task(f"location.replace('{scene.next}')")


def _reload(scene: ExitScenario) -> None:
    scene.in_one_task("location.reload()")


def _back(scene: ExitScenario) -> None:
    scene.tab.goto(scene.next)
    scene.in_one_task("history.back()")


def _link(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    scene.tab.click("#link")


def _form(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    scene.tab.click("#submit")


def _form_get(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    scene.tab.click("#submit-get")


def _forward(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    scene.tab.goto(scene.next)
    scene.tab.run("setTimeout(() => history.back())")
    scene.tab.wait_until("document.getElementById('link') && window.clickport", _GONE_SECONDS)
    scene.tab.run(f"setTimeout(() => {{ {scene.calls} history.forward() }})")


def _frame_removed(scene: ExitScenario) -> None:
    scene.tab.goto(scene.framing)
    script = json.dumps(f"setTimeout(() => {{ {scene.calls} frameElement.remove() }})")
    scene.tab.run(f"document.querySelector('iframe').contentWindow.eval({script})")
    scene.tab.wait_until("!document.querySelector('iframe')", _GONE_SECONDS)


def _window_close(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    window = scene.tab.popup(f"window.popup = window.open('{scene.page}')")
    window.run(f"setTimeout(() => {{ {scene.calls} window.close() }})")
    # Its opener knows when it is closed; an automation's own events are sometimes late.
    try:
        scene.tab.wait_until("window.popup.closed", _GONE_SECONDS)
    except TimeoutError:
        window.close()  # A page that hangs would keep the browser from what comes next.
        raise


def _tab_close(scene: ExitScenario) -> None:
    scene.tab.goto(scene.page)
    scene.tab.run(scene.calls)
    scene.tab.close()


EXITS: dict[str, Callable[[ExitScenario], None]] = {
    "href": _href,
    "replace": _replace,
    "link": _link,
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
    """Make a tracked call and leave the page in the same task; return when the next one is there.

    ``call`` is another call than that of a bare name, for exits by script.
    """
    following = instruments.page()
    page = instruments.page(
        "leave.html",
        token=token,
        next=following,
        control=f"{instruments.recorder.endpoint_origin}/control/{token}",
    )
    tracked = call or f"clickport.track('Exit {token}')"
    scene = ExitScenario(
        tab=tab,
        page=page,
        next=following,
        calls=f"window.leaving = true; try {{ {tracked} }} catch {{}}",
    )
    EXITS[way](scene)
    if way not in CLOSING:
        tab.wait_until(f"{_NEXT_PAGE_IS_THERE} && window.clickport", _GONE_SECONDS)


def require_once(instruments: Instruments, evidence: Evidence, token: str, sentinel: str) -> None:
    """Require that an event came one time by when a later one, the sentinel, is there. Raises Violation."""
    after = instruments.events(sentinel)
    found = instruments.events(token, 2, seconds=LATE_EVENT_SECONDS)
    found = [exchange for exchange in found if not exchange.path.startswith("/control/")]
    evidence.wire(found)
    if not found:
        raise Violation("no request arrived: the event is lost when the page is left")
    if len(found) > 1:
        raise Violation(f"one call made {len(found)} requests over the exit, expected 1")
    if not after:
        raise Violation("a plain call that was made afterwards did not arrive")
