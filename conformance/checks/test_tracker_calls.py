"""A call in a page, and the payload that reaches the recorder."""

from contextlib import suppress
from functools import partial

from conformance.browsers import PageBroken
from conformance.drivers import pages
from conformance.drivers.canary import bent_outcome, run_canary
from conformance.drivers.expectations import require_arrival, require_call
from conformance.drivers.liveness import not_observed, note_broken
from conformance.drivers.markers import scenarios, vectors
from conformance.drivers.posted_batch import scripts_together
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import TRACKER_PATH, Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Lane
from conformance.recorder import Exchange


@vectors(Lane.TRACKER)
def test_call_sends_payload(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Each call of a vector sends the payload that the vector says."""
    outcome, token = _outcome(instruments, engine, evidence, token)
    require_call(evidence, token, outcome)
    bent = bent_outcome(outcome, evidence.case.vector["payload"])
    run_canary(instruments, evidence, partial(require_call, evidence, token, bent) if bent else None)


def _outcome(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> tuple[pages.Outcome, str]:
    """Return what became of the vector's call, and its token.

    A call that shares a page with others is made again, with a token and a page of its own, if anything is
    wrong with it there, so that nothing is blamed that `--only` would not show. If all of them came to
    nothing the tracker is silent, which one page shows as well as two hundred.
    """
    case = evidence.case
    if case.vector.get("together"):
        evidence.sent = case.vector["call"].replace("{token}", token)
        shared = instruments.once(_calls_together, engine)
        if shared and not any(outcome.found for outcome in shared.values()):
            return shared[token], token
        if shared:
            with suppress(Violation):
                require_call(evidence, token, shared[token])
                return shared[token], token
        token = instruments.setup.token(f"{case.id} alone", engine)
    evidence.sent = case.vector["call"].replace("{token}", token)
    try:
        return pages.call(instruments, engine, evidence.sent, token, vector=case.vector), token
    except (PageBroken, TimeoutError) as error:
        reason = not_observed(instruments, engine, error)
        if instruments.events(token, 0) or case.vector.get("optional") or case.vector.get("events") == 0:
            raise reason from error
        raise Violation(f"no request arrived: the call breaks the page ({error})") from error


def _calls_together(instruments: Instruments, engine: str) -> dict[str, pages.Outcome]:
    """Make the calls of all selected vectors that may share a page; return what became of each, by token.

    Returns nothing if one of them breaks the page: each is made in a page of its own then.
    """
    try:
        return pages.call_together(instruments, engine, scripts_together(instruments, Lane.TRACKER, engine))
    except (PageBroken, TimeoutError) as error:
        note_broken(instruments, engine, error)
        return {}


@scenarios("tracker/api-1-track-is-a-function")
def test_track_is_a_function(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """API-1: the script tag alone makes window.clickport.track a function."""
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    evidence.sent = "typeof (window.clickport || {}).track"
    evidence.received = tab.run(f"return {evidence.sent}")
    if evidence.received != "function":
        raise Violation(
            f"after the page has loaded, {evidence.sent} is {evidence.received!r}, expected 'function'"
        )


@scenarios("tracker/wire-1-post-to-api-event")
def test_posts_to_api_event(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-1: the request is a POST to a path that ends in /api/event."""
    evidence.sent = f"clickport.track('Signup {token}')"
    outcome = pages.call(instruments, engine, evidence.sent, token)
    require_arrival(evidence, outcome.found, outcome.thrown)
    _require_endpoint(outcome.found)


@scenarios("tracker/wire-1-snippet-without-endpoint")
def test_snippet_without_endpoint(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """WIRE-1: where the tag names no endpoint the call works, and posts to a path that ends in /api/event."""
    if instruments.setup.options.shim:
        raise NotTestable("a shim is told the endpoint by its tag")
    tab = instruments.shared_tab(engine)
    tab.goto(
        instruments.page(
            "snippet.html",
            site=instruments.setup.options.domain,
            tracker=f"{instruments.recorder.endpoint_origin}{TRACKER_PATH}",
        )
    )
    evidence.sent = f"clickport.track('Signup {token}') in a page whose tag has no data-api"
    if thrown := pages.run(tab, f"clickport.track('Signup {token}')"):
        raise Violation(f"where the tag has data-domain and src alone the call threw {thrown}")
    found = instruments.events(token)
    evidence.wire(found)
    if not found:
        raise NotTestable("nothing came here: where its tag names none, the tracker has another endpoint")
    _require_endpoint(found)


def _require_endpoint(found: list[Exchange]) -> None:
    for exchange in found:
        if exchange.method != "POST" or not exchange.path.endswith("/api/event"):
            raise Violation(
                f"expected a POST to a path that ends in /api/event, got {exchange.method} {exchange.path}"
            )


@scenarios("tracker/wire-4-one-request-per-call")
def test_one_request_per_call(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-4: calls in one task, equal ones among them, make one request each."""
    expected = {f"Add to Cart {token}": 3, f"Checkout {token}": 1, f"Coupon {token}": 2}
    names = [name for name, times in expected.items() for _ in range(times)]
    calls = [f"clickport.track('{name}', {{ sku: '7' }})" for name in names]
    evidence.sent = "; ".join(calls)
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    thrown = pages.run(tab, evidence.sent)
    instruments.events(token, len(names))
    # Sent when the others have arrived, so that what a tracker repeats in the meantime comes before it.
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    instruments.events(pages.sentinel_of(token))
    found = instruments.events(token, 0)
    require_arrival(evidence, found, thrown)
    sent = [read_payload(exchange.body).get("n") for exchange in found]
    for name, times in expected.items():
        if sent.count(name) != times:
            raise Violation(f"{times} calls of {name!r} made {sent.count(name)} requests, expected {times}")
