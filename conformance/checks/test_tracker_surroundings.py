"""Pages without a secure context or storage, or with calls while they load (API-1, API-2, API-8)."""

from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.payload import read_payload
from conformance.targets.server import EVENT_PATH

_BEHIND = "/behind.js"
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts"}
_NAMES = {"DOMContentLoaded": "Loaded", "a deferred script right behind it": "Behind"}


@scenarios("tracker/api-1-in-a-deferred-script", "tracker/api-1-at-dom-content-loaded")
def test_track_is_there_at_once(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """API-1: a deferred script right after the tracker's, and DOMContentLoaded, find the function."""
    tab = _loading(instruments, engine, token)
    place = list(_NAMES)[evidence.case.id.endswith("-deferred-script")]
    evidence.sent = f"typeof window.clickport.track in {place}"
    evidence.received = tab.run(f"return window.seen['{place}']")
    if evidence.received != "function":
        raise Violation(f"in {place} the type of track is {evidence.received!r}, expected 'function'")


@scenarios("tracker/api-2-while-the-page-loads")
def test_calls_while_the_page_loads(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """API-2: calls in a deferred script right after the tracker's, and in DOMContentLoaded, are events."""
    evidence.sent = f"clickport.track('Loaded {token}') in DOMContentLoaded, and 'Behind {token}' before it"
    _loading(instruments, engine, token)
    found = instruments.events(token, 2)
    require_arrival(evidence, found)
    # The number of events of each name is left to WIRE-4.
    names = sorted({str(read_payload(exchange.body).get("n")) for exchange in found})
    if names != [f"Behind {token}", f"Loaded {token}"]:
        raise Violation(f"of two calls made while the page loads only these arrived: {', '.join(names)}")


@scenarios("tracker/api-1-on-plain-http")
def test_track_on_plain_http(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """API-1: the script defines the function on a page that is not a secure context."""
    tab = _plain(instruments, engine)
    evidence.sent = "typeof (window.clickport || {}).track on a page over http that is not a secure context"
    evidence.received = tab.run("return typeof (window.clickport || {}).track")
    if evidence.received != "function":
        raise Violation(
            f"if isSecureContext is false the type of track is {evidence.received!r}, expected 'function'"
            f"{_raised(tab)}"
        )


@scenarios("tracker/api-2-on-plain-http")
def test_call_on_plain_http(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-2: a call on a page that is not a secure context is an event."""
    tab = _plain(instruments, engine)
    _require_event(instruments, evidence, tab, token, "where isSecureContext is false")


@scenarios("tracker/api-8-sandboxed-page")
def test_sandboxed_page(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: a page of an opaque origin, which has neither storage nor cookies, sends its event."""
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page("sandboxed.html", headers=_SANDBOX))
        if tab.run("return window.storage") != "SecurityError":
            raise NotTestable(f"{engine} lets a sandboxed page use its storage")
        _require_event(instruments, evidence, tab, token, "in a page with the policy sandbox allow-scripts")


def _loading(instruments: Instruments, engine: str, token: str) -> Tab:
    """Load a page that looks for the function and calls it while loading."""
    script = f"look('a deferred script right behind it', 'Behind {token}')"
    instruments.recorder.mount(_BEHIND, script.encode(), "text/javascript")
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page("loading.html", token=token, behind=_BEHIND))
    return tab


def _plain(instruments: Instruments, engine: str) -> Tab:
    """Load a page over http that is not a secure context. Raises NotTestable if the engine has none."""
    origin = instruments.plain_origin(engine)
    url = instruments.page(before=pages.WATCH, endpoint=f"{origin}{EVENT_PATH}")
    tab = instruments.shared_tab(engine)
    try:
        tab.goto(url.replace(instruments.recorder.page_origin, origin))
    except TimeoutError as error:
        raise NotTestable(f"{engine} does not resolve {origin} to this machine") from error
    if tab.run("return [location.origin, isSecureContext]") != [origin, False]:
        raise NotTestable(f"{engine} takes {origin} for a secure context, or cannot reach it")
    return tab


def _require_event(instruments: Instruments, evidence: Evidence, tab: Tab, token: str, where: str) -> None:
    evidence.sent = f"clickport.track('Signup {token}', {{ plan: 'pro' }}) {where}"
    thrown = pages.run(tab, f"clickport.track('Signup {token}', {{ plan: 'pro' }})")
    require_arrival(evidence, instruments.events(token), thrown)


def _raised(tab: Tab) -> str:
    raised = pages.raised_in(tab)
    return f"; the page raised {raised[0]}" if raised else ""
