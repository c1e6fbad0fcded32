"""Figures about posted events: the usage of a month (QUOTA-1) and advice (LINT-1 to LINT-3)."""

from conformance.drivers import dashboard_data
from conformance.drivers.demo_site import new_site
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments


@scenarios("server/quota-1-counts-alike")
def test_usage(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """QUOTA-1: three pageviews and three custom events count as six, whatever their properties."""
    instruments.dashboard.require_usage(f"{token}.example")
    with new_site(instruments, evidence, token) as site, dashboard_data.same_day():
        dashboard_data.send_three_of_each(site)
        site.settle()
        site.require("usage: pageviews, custom events, both", site.usage, (3, 3, 6))


@scenarios("server/lint-1-names-alike", "server/lint-2-variants", "server/lint-3-many-values")
def test_advice(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """LINT-1 to LINT-3, open: the advice given about such events is recorded."""
    dashboard_data.require_advice(instruments, evidence, token)
