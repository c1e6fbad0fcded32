"""Page views, sessions and page visits, and pages with missing or broken features."""

import json
from typing import Any

import pytest

from conformance.browsers import Tab
from conformance.harness.instruments import Instruments

from .conftest import Arrived


def payloads(instruments: Instruments, text: str, number: int) -> list[dict[str, Any]]:
    """Return the bodies of a number of requests that carry a text."""
    return [json.loads(exchange.body) for exchange in instruments.events(text, number)]


def test_page_views_of_a_single_page_application(
    instruments: Instruments, tab: Tab, arrived: Arrived, token: str
) -> None:
    """There is one page view on load and per change of path or query, none for a change of hash or state."""
    page = instruments.page()
    tab.goto(page)
    tab.run(
        f"history.pushState(null, '', '/step/{token}'); history.pushState(null, '', '#part');"
        f"history.replaceState({{}}, ''); history.pushState(null, '', '?{token}=2')"
    )
    views = [json.loads(e.body) for e in arrived(token, 2) if json.loads(e.body)["t"] == "p"]
    origin = instruments.recorder.page_origin
    assert [view["u"] for view in views] == [f"{origin}/step/{token}", f"{origin}/step/{token}?{token}=2"]


def test_event_bears_session_and_visit(instruments: Instruments, tab: Tab, token: str) -> None:
    """Events have the session of the tab and the visit of the page (STORE-4)."""
    tab.goto(instruments.page())
    tab.run(f"clickport.track('First {token}'); clickport.track('Second {token}')")
    first, second = payloads(instruments, token, 2)
    tab.goto(instruments.page())
    tab.run(f"clickport.track('Third {token}')")
    third = payloads(instruments, token, 3)[2]
    assert (first["s"], first["p"]) == (second["s"], second["p"])
    assert (first["s"] == third["s"], first["p"] == third["p"]) == (True, False)


def test_session_is_kept_in_the_tab(instruments: Instruments, tab: Tab, token: str) -> None:
    """The session is cp_sid in session storage, and no cookie is set."""
    tab.goto(instruments.page())
    tab.run(f"clickport.track('First {token}')")
    [sent] = payloads(instruments, token, 1)
    assert tab.run("return [sessionStorage.cp_sid, document.cookie]") == [sent["s"], ""]


@pytest.mark.parametrize(
    "before",
    [
        "Object.defineProperty(window, 'sessionStorage', { get() { throw 1 } })",
        "window.navigation = undefined",
        "window.clickport = { q: [] }",
    ],
    ids=["no session storage", "no Navigation API", "a stub"],
)
def test_works_without(instruments: Instruments, tab: Tab, token: str, before: str) -> None:
    """A page in which a feature is missing or broken still sends its events."""
    tab.goto(instruments.page(before=before))
    tab.run(f"clickport.track('Still {token}')")
    assert [sent["n"] for sent in payloads(instruments, token, 1)] == [f"Still {token}"]
