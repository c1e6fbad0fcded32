"""Generated requests: their answers and rows must satisfy the requirements."""

from conformance.drivers.markers import properties
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.requirements import Lane
from conformance.search.drawn_cases import conclude, search


@properties(Lane.SERVER)
def test_requests_keep_the_property(instruments: Instruments, evidence: Evidence) -> None:
    """The answer and row of every generated request satisfy the requirement."""
    conclude(instruments, evidence, instruments.once(search, Lane.SERVER, None))
