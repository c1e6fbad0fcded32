"""From a call in one tab to the dashboard in another (DASH-3)."""

import time
from contextlib import closing

from conformance.drivers.dashboard_page import DashboardPage
from conformance.drivers.demo_site import new_site
from conformance.drivers.markers import scenarios
from conformance.drivers.pages import run
from conformance.drivers.pairs import passed_on
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("pair/dash-3-new-name")
def test_new_name(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """DASH-3: a new name appears on an open dashboard within seconds, without interaction."""
    with (
        closing(instruments.tab(engine)) as viewer,
        closing(instruments.tab(engine)) as caller,
        new_site(instruments, evidence, token) as site,
        passed_on(instruments),
    ):
        caller.goto(instruments.page(domain=site.domain))
        page = DashboardPage(site, viewer)
        began = time.monotonic()
        page.open()
        opening = time.monotonic() - began
        site.require("the Events tab before", page.events, [])
        # The first name may come with the load of the tab's content; the second needs a live update.
        for names in ([f"New {token}"], [f"New {token}", f"Newer {token}"]):
            evidence.sent = f"clickport.track('{names[-1]}')"
            began = time.monotonic()
            run(caller, evidence.sent)
            # The time counts from the answer: how the event reaches the server is a matter of DELIV.
            instruments.events(token, len(names), answered=True)
            shown = [(name, 1) for name in names]
            site.require_new("the Events tab", page.events, shown, began, opening=opening)
