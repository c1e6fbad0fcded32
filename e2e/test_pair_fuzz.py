"""Calls that nobody wrote down, followed from the page to the row."""

from conformance.bench import Bench
from conformance.evidence import Evidence
from conformance.lanes.fuzzing import conclude, search
from conformance.lanes.marks import properties
from conformance.registry import Lane


@properties(Lane.PAIR)
def test_calls_keep_the_property_down_to_the_row(bench: Bench, engine: str, evidence: Evidence) -> None:
    """Whatever is drawn, the row keeps the requirement, and says what the wire said."""
    conclude(bench, evidence, bench.once(search, Lane.PAIR, engine))
