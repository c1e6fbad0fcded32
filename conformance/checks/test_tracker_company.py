"""The tracker beside a second copy, early calls, built-ins and cookies (API-7 to API-9, WIRE-5)."""

from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import Violation
from conformance.recorder import Exchange


@scenarios("tracker/api-7-included-twice")
def test_included_twice(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-7: a page that includes the script twice sends each event once."""
    found = _track(instruments, engine, evidence, token, "twice.html")
    if len(found) != 1:
        raise Violation(f"with the script included twice one call made {len(found)} requests, expected 1")


@scenarios("tracker/api-9-called-early")
def test_called_early(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-9, open: a call that a stub queued before the script had loaded."""
    with closing(instruments.tab(engine)) as tab:
        evidence.sent = "a call queued in window.clickport.q before the script has loaded"
        tab.goto(instruments.page("early.html", token=token))
        pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
        instruments.events(pages.sentinel_of(token))
        require_arrival(evidence, instruments.events(token, 0))


@scenarios("tracker/api-8-built-ins-stay")
def test_built_ins_stay(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: no built-in is replaced after the script has run and sent an event."""
    _track(instruments, engine, evidence, token, "built-ins.html")
    changed = instruments.shared_tab(engine).run("return changed()")
    if changed:
        raise Violation(f"the script replaced built-ins of the page: {', '.join(changed[:5])}")


@scenarios("tracker/wire-5-no-preflight")
def test_no_preflight(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-5: a request to another origin needs no preflight, as one with a header of its own would."""
    before = len(instruments.recorder.seen(method="OPTIONS"))
    _track(instruments, engine, evidence, token, "visit.html")
    asked = instruments.recorder.seen(method="OPTIONS")[before:]
    if asked:
        wanted = asked[0].header("Access-Control-Request-Headers") or asked[0].header(
            "Access-Control-Request-Method"
        )
        raise Violation(f"the browser sent a preflight (OPTIONS) because of {wanted!r}")


@scenarios("tracker/wire-5-no-cookies")
def test_no_cookies(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-5: the request carries no cookies, although the endpoint's site has one in this browser."""
    with closing(instruments.tab(engine)) as tab:
        tab.goto(f"{instruments.recorder.endpoint_origin}/next/page")
        tab.run("document.cookie = 'probe=1; Path=/; SameSite=None; Secure; Max-Age=60'")
    for exchange in _track(instruments, engine, evidence, token, "visit.html"):
        if cookie := exchange.header("Cookie"):
            raise Violation(f"the request carries cookies: {cookie}")


def _track(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, page: str
) -> list[Exchange]:
    tab: Tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(page))
    evidence.sent = f"clickport.track('Signup {token}')"
    thrown = pages.run(tab, evidence.sent)
    instruments.events(token)
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    instruments.events(pages.sentinel_of(token))
    found = instruments.events(token, 0)
    require_arrival(evidence, found, thrown)
    return found
