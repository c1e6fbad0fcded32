"""Calls that nobody wrote down, and the payloads that reach the recorder."""

from conformance.bench import Bench
from conformance.evidence import Evidence
from conformance.lanes.fuzzing import conclude, search
from conformance.lanes.marks import properties
from conformance.registry import Lane


@properties(Lane.TRACKER)
def test_calls_keep_the_property(bench: Bench, engine: str, evidence: Evidence) -> None:
    """Whatever is drawn, what arrives keeps the requirement."""
    conclude(bench, evidence, bench.once(search, Lane.TRACKER, engine))
