"""Generated calls: the payloads that reach the recorder must satisfy the requirements."""

from conformance.drivers.markers import properties
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.requirements import Lane
from conformance.search.drawn_cases import conclude, search


@properties(Lane.TRACKER)
def test_calls_keep_the_property(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """The requests of every generated call satisfy the requirement."""
    conclude(instruments, evidence, instruments.once(search, Lane.TRACKER, engine))
