"""Canaries: a check that compares nothing is detected."""

from dataclasses import replace
from decimal import Decimal

import pytest

from conformance.drivers.canary import bent_figure, bent_outcome, bent_rows, run_canary
from conformance.drivers.pages import Outcome
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.protocol.cases import Case
from conformance.protocol.outcomes import SuiteFault, Violation
from conformance.protocol.requirements import Lane, Level
from conformance.readback import StoredRow
from conformance.recorder import Exchange

CASE = Case(id="tracker/wire-2-plain", requirement="WIRE-2", lane=Lane.TRACKER, level=Level.MUST, why="why")
EXCHANGE = Exchange(
    id=1, origin="localhost", connection=1, method="POST", target="/api/event", headers=(), started=0.0,
    body=b'{"t": "e", "n": "Signup", "ra": 5}',
)  # fmt: skip
ROW = StoredRow(
    type="custom",
    name="Signup",
    meta_keys=("a",),
    meta_values=("b",),
    revenue_source_amount=Decimal("49.99"),
    revenue_source_currency="EUR",
)


@pytest.fixture
def instruments() -> Instruments:
    """Return instruments of which none is started."""
    return Instruments(RunContext(options=Options(), run="cp00000000", since="2026-11-24T00:00:00Z"))


def noticed() -> None:
    """Raise Violation, as a check that works does."""
    raise Violation("bent")


def test_a_check_that_notices_is_fine(instruments: Instruments) -> None:
    """The violation about the altered observation is expected, and recorded as a canary."""
    evidence = Evidence(case=CASE)
    run_canary(instruments, evidence, noticed)
    assert (evidence.canary, instruments.canaries) == (True, {Lane.TRACKER})


def test_a_check_that_compares_nothing_is_a_fault(instruments: Instruments) -> None:
    """A check that accepts the altered observation is a fault of the suite."""
    with pytest.raises(SuiteFault, match="canary"):
        run_canary(instruments, Evidence(case=CASE), lambda: None)


def test_once_in_a_lane(instruments: Instruments) -> None:
    """Only the first check of a lane is given an altered observation."""
    run_canary(instruments, Evidence(case=CASE), noticed)
    run_canary(instruments, Evidence(case=CASE), lambda: None)
    assert instruments.canaries == {Lane.TRACKER}


def test_evidence_is_that_of_the_real_observation(instruments: Instruments) -> None:
    """The evidence of the altered observation is removed."""
    evidence = Evidence(case=CASE, received="real")

    def check() -> None:
        evidence.received = "bent"
        raise Violation("bent")

    run_canary(instruments, evidence, check)
    assert evidence.received == "real"


def test_payload_is_bent_where_the_vector_looks() -> None:
    """The altered member of a payload is one that the vector names; the others stay."""
    outcome = Outcome(thrown=None, raised=[], found=[EXCHANGE], next_works=True)
    bent = bent_outcome(outcome, {"n": "Signup"})
    assert bent
    assert bent.found == [replace(EXCHANGE, body=b'{"t": "e", "n": {"bent": true}, "ra": 5}')]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "bent"),
        ("meta_values", ("bent",)),
        ("revenue_source_amount", Decimal("-0.123456789")),
        ("revenue_source_currency", "bent"),
    ],
)
def test_row_is_bent_where_the_vector_looks(column: str, value: object) -> None:
    """The altered column of a row is one that the vector names, and keeps its type."""
    changes: dict[str, object] = {column: value}
    assert bent_rows([ROW, ROW], {column: "x"}) == [replace(ROW, **changes), ROW]  # type: ignore[arg-type]


def test_nothing_to_bend() -> None:
    """A vector that names nothing, or an empty observation, makes no canary."""
    assert (bent_rows([ROW], {}), bent_rows([], {"name": "x"}), bent_rows(None, {"name": "x"})) == (None,) * 3


@pytest.mark.parametrize(
    ("seen", "bent"),
    [
        ([("Signup", 3), ("Login", 2)], [("Signup", 4), ("Login", 2)]),
        ({"Signup": (2, 50.0)}, {"Signup": (3, 50.0)}),
        ({"visitors": 4.0}, {"visitors": 5.0}),
        ([("Signup", True)], None),
        ([], None),
        (["Signup"], None),
    ],
)
def test_figure_is_bent_where_there_is_one(seen: object, bent: object) -> None:
    """The first number of a dashboard's data is altered; without a number there is no canary."""
    assert bent_figure(seen) == bent
