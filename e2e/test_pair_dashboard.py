"""From a call in one tab to the row in another (DASH-3)."""

import time

from conformance.drivers.dashboard_page import Board
from conformance.drivers.demo_site import new_site
from conformance.drivers.markers import scenarios
from conformance.drivers.pages import run
from conformance.drivers.pairs import passed_on
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("pair/dash-3-new-name")
def test_new_name(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-3: while the dashboard is open a new name appears in it, in seconds, and nobody touches it."""
    caller, viewer = instruments.tab(engine), instruments.tab(engine)
    try:
        with new_site(instruments, evidence, token) as site, passed_on(instruments):
            caller.goto(instruments.page(domain=site.domain))
            board = Board(site, viewer)
            board.open()
            site.require("the Events tab before", board.events, [])
            # What the page loads when its tab is chosen may have the first in it; the second comes later.
            for names in ([f"New {token}"], [f"New {token}", f"Newer {token}"]):
                evidence.sent = f"clickport.track('{names[-1]}')"
                began = time.monotonic()
                run(caller, evidence.sent)
                site.require_new("the Events tab", board.events, [(name, 1) for name in names], began)
    finally:
        caller.close()
        viewer.close()
