"""Marks that name the cases of a test function; the plugin makes a test of each, in each browser."""

import pytest

from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import Lane

WORKER_INPUT = "clickport_setup"
"""Key under which pytest-xdist workers receive the run context."""
MARK = "clickport"


def vectors(lane: Lane) -> pytest.MarkDecorator:
    """Mark a test that checks every vector of ``lane``."""
    return scenarios(*(case.id for case in catalogue() if case.lane is lane and case.vector))


def properties(lane: Lane) -> pytest.MarkDecorator:
    """Mark a test that checks every property of ``lane`` (``fixtures/properties.toml``)."""
    return scenarios(*(case.id for case in catalogue() if case.lane is lane and case.drawn))


def scenarios(*ids: str) -> pytest.MarkDecorator:
    """Mark a test that checks the cases of these ids, such as ``tracker/wire-4-one-request-per-call``."""
    return getattr(pytest.mark, MARK).with_args(*ids)  # type: ignore[no-any-return]
