"""Generated calls, followed from the page to the row."""

from conformance.drivers.markers import properties
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.requirements import Lane
from conformance.search.drawn_cases import conclude, search


@properties(Lane.PAIR)
def test_calls_keep_the_property_down_to_the_row(
    instruments: Instruments, engine: str, evidence: Evidence
) -> None:
    """The row of every generated call satisfies the requirement and matches the wire."""
    conclude(instruments, evidence, instruments.once(search, Lane.PAIR, engine))
