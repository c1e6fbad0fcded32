"""Pages that are prerendered, have a tag written by script, or a strict policy (DELIV-3, API-8)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conformance.browsers import Tab, unattended
from conformance.drivers import pages
from conformance.drivers.exits import require_once
from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.targets.server import EVENT_PATH

_PRERENDER_SECONDS = 10.0
_NEIGHBOUR, _STRANGER = "/neighbour.js", "/stranger"


@scenarios("tracker/deliv-3-prerendered-page-unseen")
def test_prerendered_page_unseen(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-3, open: an event of a prerendered page that is never activated."""
    sentinel = pages.sentinel_of(token)
    with _prerendered(instruments, engine, evidence, token) as (run_script, _):
        # Made in the visible page after the prerendered page's call: it must arrive.
        run_script(f"clickport.track('Sentinel {sentinel}')")
        require_arrival(evidence, instruments.events(sentinel))
        if found := instruments.events(token, 0):
            evidence.wire(found)
            raise Violation("a prerendered page that was never activated sent its event")


@scenarios("tracker/deliv-3-prerendered-page-activated")
def test_prerendered_page_activated(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """DELIV-3: a prerendered page's event arrives exactly once when the page is activated."""
    with _prerendered(instruments, engine, evidence, token) as (run_script, following):
        run_script(f"location.href = '{following}'")
        require_once(instruments, evidence, token, pages.sentinel_of(token))


@scenarios("tracker/api-8-tag-written-by-script")
def test_tag_written_by_script(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: a script tag added by document.write works like any other."""
    _require_event(instruments, engine, evidence, token, instruments.page("written.html"))


@scenarios("tracker/api-8-neighbour-with-a-domain")
def test_neighbour_with_a_domain(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """API-8: the tracker is not misled by other scripts' tags with the same attributes."""
    instruments.recorder.mount(_NEIGHBOUR, b"", "text/javascript")
    elsewhere = f"{instruments.recorder.endpoint_origin}{_STRANGER}{EVENT_PATH}"
    url = instruments.page("neighbour.html", neighbour=_NEIGHBOUR, elsewhere=elsewhere)
    _require_event(instruments, engine, evidence, token, url)
    if any(exchange.path.startswith(_STRANGER) for exchange in instruments.events(token, 0)):
        raise Violation("the event was sent to the endpoint of another script's tag")


@scenarios("tracker/api-8-strict-policy-with-nonce")
def test_strict_policy(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-8: the tracker needs nothing that a nonce-based policy forbids, such as inline code or eval."""
    endpoint = f"{instruments.recorder.endpoint_origin}{EVENT_PATH}"
    url = instruments.page("strict.html", nonce="n0nce", allowed=endpoint)
    tab = _require_event(instruments, engine, evidence, token, url)
    if refused := tab.run("return window.refused"):
        raise Violation(f"the page's policy blocked something that the tracker did: {refused[0]}")


def _require_event(instruments: Instruments, engine: str, evidence: Evidence, token: str, url: str) -> Tab:
    tab = instruments.shared_tab(engine)
    tab.goto(url)
    evidence.sent = f"clickport.track('Signup {token}')"
    thrown = pages.run(tab, evidence.sent)
    require_arrival(evidence, instruments.events(token), thrown)
    return tab


@contextmanager
def _prerendered(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> Iterator[tuple[Callable[[str], None], str]]:
    """Show a page that prerenders another one, which makes a call.

    Yields a function that runs a script in the visible page, and the URL of the prerendered one. Raises
    NotTestable if the engine prerenders nothing.
    """
    # Reversed, so that the recorder takes none of the suite's requests for the event.
    recorder, control, script_path = instruments.recorder, f"/control/{token[::-1]}", f"/script/{token[::-1]}"
    following = instruments.page(
        "prerendered.html",
        token=token,
        sentinel=pages.sentinel_of(token),
        control=f"{recorder.page_origin}{control}",
    )
    page = instruments.page("prerendering.html", next=following, script=script_path)
    evidence.sent = f"clickport.track('Seen {token}') in a page that is prerendered"
    installed = next(b for b in instruments.setup.browsers if b.name == engine)
    if engine != "chromium":
        raise NotTestable(f"{engine} prerenders nothing")
    with unattended(installed, page, trusted=instruments.setup.trusted):
        if not recorder.wait(1, path=control, seconds=_PRERENDER_SECONDS):
            raise NotTestable(f"{engine} {installed.version} prerenders nothing here")
        yield lambda script: recorder.mount(script_path, script.encode(), "text/javascript"), following
