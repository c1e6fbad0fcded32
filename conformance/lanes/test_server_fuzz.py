"""Requests that nobody wrote down, their answers and their rows."""

from conformance.bench import Bench
from conformance.evidence import Evidence
from conformance.lanes.fuzzing import conclude, search
from conformance.lanes.marks import properties
from conformance.registry import Lane


@properties(Lane.SERVER)
def test_requests_keep_the_property(bench: Bench, evidence: Evidence) -> None:
    """Whatever is drawn, the answer and the row keep the requirement."""
    conclude(bench, evidence, bench.once(search, Lane.SERVER, None))
