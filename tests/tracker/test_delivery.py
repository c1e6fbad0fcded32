"""Delivery beyond the vectors: the keepalive budget, refusals, and a page that closes itself."""

from conformance.browsers import Tab
from conformance.harness.instruments import Instruments
from conformance.recorder import Exchange

from .conftest import Arrived

# fetch as the tracker finds it, which records for each call whether it used keepalive.
_NOTE = """
window.noted = []
const own = window.fetch
window.fetch = function (url, options) { noted.push(options.keepalive); return own.apply(this, arguments) }
"""


def numbers(found: list[Exchange]) -> list[int]:
    """Return the numbers in the names of events, in order."""
    return sorted(int(e.body.split(b"#")[1]) for e in found)


def test_large_event_arrives_once(instruments: Instruments, tab: Tab, token: str, arrived: Arrived) -> None:
    """An event of 180 KB, beyond the keepalive budget, arrives once while the page stays (DELIV-5)."""
    tab.goto(instruments.page(before=_NOTE))
    value = "'購'.repeat(2000)"
    tab.run(
        f"clickport.track('Large {token}', "
        f"Object.fromEntries(Array.from({{ length: 30 }}, (_, i) => ['k' + i, {value}])))"
    )
    found = arrived(token, 1)
    assert (len(found), len(found[0].body) > 180_000) == (1, True)


def test_keepalive_within_the_budget_only(
    instruments: Instruments, tab: Tab, token: str, arrived: Arrived
) -> None:
    """Of events of 20 KB in one task three fit into 64 KiB and use keepalive, the others do not (DELIV-6)."""
    tab.goto(instruments.page(before=_NOTE))
    instruments.recorder.hold(token)
    tab.run(
        f"for (let i = 0; i < 5; i++) clickport.track(`Burst #${{i}}# {token}`, "
        "Object.fromEntries(Array.from({ length: 10 }, (_, k) => ['k' + k, 'x'.repeat(2000)])))"
    )
    kept = tab.run("return noted.slice(-5)")
    instruments.recorder.end_hold()
    found = [e for e in arrived(token, 10) if not e.followed]
    assert (kept, numbers(found)) == ([True, True, True, False, False], [0, 1, 2, 3, 4])


def test_burst_of_300_arrives_whole_and_once(
    instruments: Instruments, tab: Tab, token: str, arrived: Arrived
) -> None:
    """300 small events in one task exceed Chromium's keepalive limit, and all arrive once (DELIV-6)."""
    tab.goto(instruments.page())
    tab.run(f"for (let i = 0; i < 300; i++) clickport.track(`Tiny #${{i}}# {token}`)")
    assert numbers(arrived(token, 300)) == list(range(300))


def test_refusal_is_tried_again_without_keepalive(
    instruments: Instruments, tab: Tab, token: str, arrived: Arrived
) -> None:
    """If another script uses up the budget, keepalive is refused; the event still arrives (DELIV-6)."""
    tab.goto(instruments.page(before=_NOTE))
    instruments.recorder.hold("held-by-another")
    endpoint_origin = instruments.recorder.endpoint_origin
    tab.run(
        f"own('{endpoint_origin}/other', {{ method: 'POST', keepalive: true, mode: 'no-cors', "
        "body: 'held-by-another' + 'x'.repeat(65000) })"
    )
    assert instruments.recorder.wait(1, token="held-by-another")
    tab.run(f"clickport.track('Refused {token}', {{ a: 'x'.repeat(2000) }})")
    found = arrived(token, 1)
    noted = tab.run("return noted.slice(1, 3)")
    instruments.recorder.end_hold()
    assert (len(found), noted) == (1, [True, False])


def test_closing_window_sends_once(instruments: Instruments, tab: Tab, token: str, arrived: Arrived) -> None:
    """A closing window sees an error although its request survives, and sends no second one (DELIV-3)."""
    for number in range(5):
        own = f"{token}{number}x"
        page = instruments.page()
        tab.goto(page)
        instruments.recorder.hold(own)
        window = tab.popup(f"window.popup = window.open('{page}')")
        window.run(f"setTimeout(() => {{ clickport.track('Close {own}'); window.close() }})")
        tab.wait_until("window.popup.closed", 10)
        assert instruments.events(own)
        instruments.recorder.end_hold()
        found = [e for e in arrived(own, 2) if not e.followed]
        assert len(found) == 1
