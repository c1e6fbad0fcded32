"""Calls in a page and the payloads that reach the recorder."""

from contextlib import suppress
from functools import partial

from conformance.browsers import PageBroken
from conformance.drivers import pages
from conformance.drivers.canary import bent_outcome, run_canary
from conformance.drivers.expectations import require_arrival, require_call
from conformance.drivers.liveness import not_observed, note_broken
from conformance.drivers.markers import scenarios, vectors
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import TRACKER_PATH, Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.payload import read_payload
from conformance.protocol.requirements import Lane
from conformance.recorder import Exchange


@vectors(Lane.TRACKER)
def test_call_sends_payload(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Each vector's call sends the payload that the vector specifies."""
    outcome, token = _outcome(instruments, engine, evidence, token)
    require_call(evidence, token, outcome)
    bent = bent_outcome(outcome, evidence.case.vector["payload"])
    run_canary(instruments, evidence, partial(require_call, evidence, token, bent) if bent else None)


def _outcome(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> tuple[pages.Outcome, str]:
    """Return the outcome of the vector's call, and its token.

    A call that fails in a page shared with others is made again in a page of its own, with a new token, so
    that a failure can always be repeated with `--only`. If no call of the shared page, nor a sentinel, sent
    anything, the tracker is silent, and none is repeated.
    """
    case = evidence.case
    if case.vector.get("together"):
        evidence.sent = case.vector["call"].replace("{token}", token)
        shared = instruments.once(_calls_together, engine)
        if shared and not any(outcome.found or outcome.next_works for outcome in shared.values()):
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
    """Make the calls of all selected vectors that may share a page; return their outcomes by token.

    Returns an empty dict if one of them breaks the page; each then gets a page of its own.
    """
    try:
        return pages.call_together(instruments, engine, Lane.TRACKER)
    except (PageBroken, TimeoutError) as error:
        note_broken(instruments, engine, error)
        return {}


@scenarios("tracker/api-1-track-is-a-function")
def test_track_is_a_function(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """API-1: the script tag alone defines window.clickport.track as a function."""
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
    """WIRE-1: the request is a POST to a path ending in /api/event."""
    evidence.sent = f"clickport.track('Signup {token}')"
    outcome = pages.call(instruments, engine, evidence.sent, token)
    require_arrival(evidence, outcome.found, outcome.thrown)
    _require_endpoint(outcome.found)


@scenarios("tracker/wire-1-snippet-without-endpoint")
def test_snippet_without_endpoint(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """WIRE-1: if the tag names no endpoint, the call posts to a path ending in /api/event."""
    if instruments.setup.options.shim:
        raise NotTestable("a shim gets its endpoint from the tag: there is no default to test")
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
        raise Violation(f"with a tag that has only data-domain and src the call threw {thrown}")
    found = instruments.events(token)
    evidence.wire(found)
    if not found:
        raise NotTestable("no request arrived: without data-api in its tag the tracker uses another endpoint")
    _require_endpoint(found)


def _require_endpoint(found: list[Exchange]) -> None:
    for exchange in found:
        if exchange.method != "POST" or not exchange.path.endswith("/api/event"):
            raise Violation(
                f"expected a POST to a path ending in /api/event, got {exchange.method} {exchange.path}"
            )


@scenarios("tracker/wire-4-one-request-per-call")
def test_one_request_per_call(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """WIRE-4: calls in one task, some of them equal, make one request each."""
    expected = {f"Add to Cart {token}": 3, f"Checkout {token}": 1, f"Coupon {token}": 2}
    names = [name for name, times in expected.items() for _ in range(times)]
    calls = [f"clickport.track('{name}', {{ sku: '7' }})" for name in names]
    evidence.sent = "; ".join(calls)
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page())
    thrown = pages.run(tab, evidence.sent)
    instruments.events(token, len(names))
    # Sent when the others have arrived, so that a repeated request arrives before it.
    pages.run(tab, f"clickport.track('Sentinel {pages.sentinel_of(token)}')")
    instruments.events(pages.sentinel_of(token))
    found = instruments.events(token, 0)
    require_arrival(evidence, found, thrown)
    sent = [read_payload(exchange.body).get("n") for exchange in found]
    for name, times in expected.items():
        if sent.count(name) != times:
            raise Violation(f"{times} calls of {name!r} made {sent.count(name)} requests, expected {times}")
