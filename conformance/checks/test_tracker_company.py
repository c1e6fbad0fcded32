"""The tracker in company: with itself, with early calls, with built-ins and cookies (API-7 to 9, WIRE-5)."""

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence, Violation
from conformance.harness.instruments import Bench
from conformance.recorder import Exchange


@scenarios("tracker/api-7-included-twice")
def test_included_twice(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """API-7: a page that includes the script twice sends each event once."""
    found = _track(bench, engine, evidence, token, "twice.html")
    if len(found) != 1:
        raise Violation(f"with the script included twice one call made {len(found)} requests, expected 1")


@scenarios("tracker/api-9-called-early")
def test_called_early(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """API-9: what becomes of a call that a stub took before the script had loaded."""
    tab = bench.tab(engine)
    try:
        evidence.sent = "a call queued in window.clickport.q before the script has loaded"
        tab.goto(bench.page("early.html", token=token))
        pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
        bench.events(pages.sentinel_of(token))
        require_arrival(evidence, bench.events(token, 0))
    finally:
        tab.close()


@scenarios("tracker/api-8-built-ins-stay")
def test_built_ins_stay(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: no built-in is another one after the script has run and sent an event."""
    _track(bench, engine, evidence, token, "built-ins.html")
    changed = bench.shared_tab(engine).run("return changed()")
    if changed:
        raise Violation(f"the script changed built-ins of the page: {', '.join(changed[:5])}")


@scenarios("tracker/wire-5-no-preflight")
def test_no_preflight(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-5: a request to another origin needs no preflight and has no headers of its own."""
    before = len(bench.recorder.seen(method="OPTIONS"))
    found = _track(bench, engine, evidence, token, "visit.html")
    asked = bench.recorder.seen(method="OPTIONS")[before:]
    if asked:
        wanted = asked[0].header("Access-Control-Request-Headers") or asked[0].header(
            "Access-Control-Request-Method"
        )
        raise Violation(f"the browser had to ask first (OPTIONS), because of {wanted!r}")
    for exchange in found:
        own = [
            name for name, _ in exchange.headers if name.lower().startswith("x-") or name == "Authorization"
        ]
        if own:
            raise Violation(f"the request has a header of its own: {own[0]}")


@scenarios("tracker/wire-5-no-cookies")
def test_no_cookies(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-5: a cookie that the endpoint's site has in this browser does not travel along."""
    tab = bench.tab(engine)
    try:
        tab.goto(f"{bench.recorder.there}/next/page")
        tab.run("document.cookie = 'probe=1; Path=/; SameSite=None; Secure; Max-Age=60'")
    finally:
        tab.close()
    for exchange in _track(bench, engine, evidence, token, "visit.html"):
        if cookie := exchange.header("Cookie"):
            raise Violation(f"the request carries cookies: {cookie}")


def _track(bench: Bench, engine: str, evidence: Evidence, token: str, page: str) -> list[Exchange]:
    tab: Tab = bench.shared_tab(engine)
    tab.goto(bench.page(page))
    evidence.sent = f"clickport.track('Signup {token}')"
    thrown = pages.run(tab, evidence.sent)
    bench.events(token)
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    bench.events(pages.sentinel_of(token))
    found = bench.events(token, 0)
    require_arrival(evidence, found, thrown)
    return found
