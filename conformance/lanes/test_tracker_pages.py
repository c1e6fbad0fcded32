"""The ways in which a site calls the tracker (API-4)."""

from conformance.bench import Bench
from conformance.evidence import Evidence
from conformance.lanes.expectation import require_arrival
from conformance.lanes.marks import scenarios
from conformance.lanes.pages import use_page


@scenarios(
    "tracker/api-4-inline-onclick",
    "tracker/api-4-submit-listener",
    "tracker/api-4-window-property",
)
def test_handler_sends_event(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """A handler of the documented kind sends its event."""
    use_page(bench, engine, evidence, token)
    require_arrival(evidence, bench.events(token))
