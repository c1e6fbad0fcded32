"""Comparison of stored rows with a vector: their number, and each value exactly."""

from decimal import Decimal
from typing import Any

import pytest

from conformance.drivers.expectations import NO_READBACK, expected_row, require_row, require_rows
from conformance.harness.evidence import Evidence
from conformance.protocol.cases import Case
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.protocol.requirements import Lane, Level
from conformance.readback import StoredRow

TOKEN = "cp1"
ROW = {"name": "Purchase {token}", "meta_values": [], "revenue_source_amount": "49.990"}


def evidence(**vector: Any) -> Evidence:
    """Return the evidence of a case from a vector, before anything was observed."""
    case = Case(
        id="pair/rev-1-x", requirement="REV-1", lane=Lane.PAIR, level=Level.MUST, why="w", vector=vector
    )
    return Evidence(case=case)


def row(**changes: Any) -> StoredRow:
    """Return the stored row ROW with changes."""
    facts: dict[str, Any] = {
        "type": "custom",
        "name": "Purchase cp1",
        "meta_keys": (),
        "meta_values": (),
        "revenue_source_amount": Decimal("49.9900"),
        "revenue_source_currency": "EUR",
    }
    return StoredRow(**{**facts, **changes})


@pytest.mark.parametrize(
    ("vector", "rows"),
    [
        ({}, [row()]),
        ({"events": 2}, [row(), row()]),
        ({"events": 0}, []),
        ({"optional": True}, []),
        ({"optional": True}, [row()]),
    ],
)
def test_rows_of_a_call(vector: dict[str, Any], rows: list[StoredRow]) -> None:
    """The rows of a call match in number and value; amounts are compared as decimals."""
    require_row(evidence(row=ROW, **vector), TOKEN, rows)


@pytest.mark.parametrize(
    ("vector", "rows", "message"),
    [
        ({}, [], "expected 1 row, got none: the event is lost"),
        ({}, [row(), row()], "expected 1 row, got 2"),
        ({"events": 0}, [row()], "expected 0 rows, got 1"),
        ({"events": 2}, [row()], "expected 2 rows, got 1"),
        ({"optional": True}, [row(), row()], "expected 1 row, got 2"),
        (
            {},
            [row(name="purchase cp1")],
            'the stored row differs at name: expected "Purchase cp1", got "purchase cp1"',
        ),
        (
            {},
            [row(meta_values=("a",))],
            'the stored row differs at meta_values: expected 0 members, got 1: ["a"]',
        ),
        (
            {},
            [row(revenue_source_amount=Decimal("49.9902"))],
            "the stored row differs at revenue_source_amount: expected 49.990, got 49.9902",
        ),
        (
            {},
            [row(revenue_source_amount=None)],
            "the stored row differs at revenue_source_amount: expected 49.990, got null",
        ),
        (
            {},
            [row(revenue_source_amount=Decimal("sNaN"))],
            "the stored row differs at revenue_source_amount: expected 49.990, got sNaN",
        ),
    ],
)
def test_other_rows_of_a_call(vector: dict[str, Any], rows: list[StoredRow], message: str) -> None:
    """Too many rows, too few, or another value is a violation that names the place."""
    with pytest.raises(Violation) as caught:
        require_row(evidence(row=ROW, **vector), TOKEN, rows)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("vector", "accepted", "rows", "message"),
    [
        ([ROW], True, [row()], None),
        ([ROW, ROW], True, [row(), row()], None),
        ([ROW], True, [], "expected 1 row, got none: the event is lost"),
        ([ROW], False, [], None),
        ([ROW], False, [row()], "expected 0 rows, got 1"),
        ([], True, [row(type="pageview")], None),
        ([], False, [row(type="pageview"), row()], "expected 0 rows, got 1"),
        ([], True, [], None),
        (None, True, [row(), row()], None),
        (None, False, None, None),
    ],
)
def test_rows_of_a_request(
    vector: list[Any] | None, accepted: bool, rows: list[StoredRow] | None, message: str | None
) -> None:
    """An accepted request has the rows listed, a refused one none; without a list nothing is required."""
    own = evidence(**({} if vector is None else {"rows": vector}))
    seen = None
    try:
        require_rows(own, TOKEN, rows, accepted=accepted)
    except Violation as violation:
        seen = str(violation)
    assert seen == message


@pytest.mark.parametrize("accepted", [True, False])
def test_without_a_readback_rows_cannot_be_tested(*, accepted: bool) -> None:
    """Without a readback neither the presence nor the absence of rows can be tested."""
    with pytest.raises(NotTestable) as caught:
        require_rows(evidence(rows=[ROW]), TOKEN, None, accepted=accepted)
    assert str(caught.value) == NO_READBACK


def test_a_call_without_a_readback_cannot_be_tested() -> None:
    """Without a readback an optional row is not taken to be missing."""
    with pytest.raises(NotTestable):
        require_row(evidence(row=ROW, optional=True), TOKEN, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "A {token}"}, {"name": "A cp1"}),
        ({"revenue_source_amount": "49.99"}, {"revenue_source_amount": Decimal("49.99")}),
        ({"revenue_source_amount": None}, {"revenue_source_amount": None}),
        ({"revenue_source_amount": {"$empty": True}}, {"revenue_source_amount": {"$empty": True}}),
        (
            {"revenue_source_amount": {"$any": ["0", {"$any": ["1.50", None]}]}},
            {"revenue_source_amount": {"$any": [Decimal(0), {"$any": [Decimal("1.50"), None]}]}},
        ),
        ({"meta_values": ["49.99", {"$repeat": ["{token}", 2]}]}, {"meta_values": ["49.99", "cp1cp1"]}),
    ],
)
def test_expected_row(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """The token is filled in, and amounts, which vectors write as text, become decimals; other text stays."""
    assert repr(expected_row(given, TOKEN)) == repr(expected)


def test_rows_are_kept_even_if_they_are_wrong() -> None:
    """Rows that are read back are kept as evidence before they are judged."""
    own = evidence(row=ROW)
    with pytest.raises(Violation):
        require_row(own, TOKEN, [row(name="other"), row()])
    assert [stored["name"] for stored in own.stored] == ["other", "Purchase cp1"]
