"""Requests that nobody wrote down, their answers and their rows."""

from conformance.drivers.markers import properties
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.requirements import Lane
from conformance.search.drawn_cases import conclude, search


@properties(Lane.SERVER)
def test_requests_keep_the_property(instruments: Instruments, evidence: Evidence) -> None:
    """Whatever is drawn, the answer and the row keep the requirement."""
    conclude(instruments, evidence, instruments.once(search, Lane.SERVER, None))
