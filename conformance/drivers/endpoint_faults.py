"""Events whose endpoint fails or answers oddly, and the next event in the same page (DELIV-7).

The cases of ``GROUP`` share a page, and the wait that shows absence. If anything in it is wrong,
each case has a page of its own, and is judged by that alone.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from conformance.browsers import PageBroken, Tab
from conformance.drivers import pages
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Lane
from conformance.recorder import Exchange

GROUP = "answers"
# More requests for one event than a bounded retry makes in the time of another event.
ENDLESS = 11
# An informational response precedes the final one (RFC 9110, section 15.2), here 200: the event has arrived.
_DELIVERED = ("103",)


def kind_of(case_id: str) -> str:
    """Return the kind of ``ConnectionFault`` that a case is about: the last word of its id."""
    return case_id.rpartition("-")[2]


def track_and_go_on(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Make an event whose endpoint fails, then another one. Raises Violation."""
    kind = kind_of(evidence.case.id)
    evidence.sent = f"clickport.track('Signup {token}'), then another event"
    found = instruments.once(_together, engine).get(kind)
    if found:
        evidence.wire(found[:3])
    else:
        with closing(instruments.tab(engine)) as tab, instruments.recorder.failing(token, kind):
            tab.goto(instruments.page(before=pages.WATCH))
            thrown, first = _track(instruments, tab, token, kind)
            found = require_another(instruments, evidence, tab, token, thrown)
        if not first:
            raise Violation("no request arrived: the event is lost")
    if len(found) > 1 and kind in _DELIVERED:
        raise Violation(f"one event made {len(found)} requests although the first was answered with 200")
    if len(found) > 1 and kind.isdigit():  # A browser itself repeats a request whose connection was reset.
        evidence.notes = (f"the event was tried {len(found)} times, which is open unless it is endless",)


def _together(instruments: Instruments, engine: str) -> Mapping[str, list[Exchange]]:
    """Make an event for each kind of answer in one page; return the requests of each.

    Returns nothing if there is only one kind, or if anything is not as every single case requires it.
    """
    selected = [kind_of(case.id) for case in instruments.selected(Lane.TRACKER) if case.group == GROUP]
    if len(selected) < 2:  # There is nothing to share.
        return {}
    tokens = {kind: instruments.setup.token(f"answer {kind}", engine) for kind in selected}
    try:
        with closing(instruments.tab(engine)) as tab:
            tab.goto(instruments.page(before=pages.WATCH))
            for kind, token in tokens.items():
                instruments.recorder.fault(token, kind)
                thrown, _ = _track(instruments, tab, token, kind)
                thrown = thrown or pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
                if thrown or not instruments.events(pages.sentinel_of(token)):
                    return {}
            each = instruments.events_of_each(
                dict.fromkeys(tokens.values(), ENDLESS), seconds=LATE_EVENT_SECONDS
            )
            raised = pages.raised_in(tab)
    except (PageBroken, TimeoutError):
        return {}
    finally:
        instruments.recorder.end_faults()
    found = {kind: each[token] for kind, token in tokens.items()}
    sound = all(0 < len(own) < ENDLESS for own in found.values()) and not raised
    return found if sound else {}


def _track(instruments: Instruments, tab: Tab, token: str, kind: str) -> tuple[str | None, list[Exchange]]:
    """Make an event and wait until the page knows of its answer; return what was thrown, and its requests."""
    thrown = pages.run(tab, f"clickport.track('Signup {token}')")
    first = instruments.events(token)
    if first and kind != "hang":
        known: dict[str, Any] = {"reset": {"gone": True}, "endless": {"status": 200}}
        instruments.events(token, **known.get(kind, {"answered": True}))
        pages.let_the_page_know(tab)
    return thrown, first


def require_another(
    instruments: Instruments, evidence: Evidence, tab: Tab, token: str, thrown: str | None
) -> list[Exchange]:
    """Require that nothing was raised, the next event arrives, and the first is not retried endlessly.

    Return the requests of the first event.
    """
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    after = instruments.events(pages.sentinel_of(token))
    found = instruments.events(token, ENDLESS, seconds=LATE_EVENT_SECONDS)
    evidence.wire(found[:3])
    require_quiet(tab, thrown)
    if not after:
        raise Violation("after a failed event the next one was not sent")
    require_bounded(len(found))
    return found


def require_bounded(tries: int) -> None:
    """Require that one event was not tried endlessly. Raises Violation."""
    if tries >= ENDLESS:
        raise Violation(f"{tries} requests for one event within seconds: it is retried endlessly")


def require_quiet(tab: Tab, thrown: str | None) -> None:
    """Require that a call neither threw into the page nor raised anything in it later. Raises Violation."""
    if thrown:
        raise Violation(f"the call threw {thrown} into the page")
    if raised := pages.raised_in(tab):
        raise Violation(f"the call raised {raised[0]!r} in the page, uncaught")
