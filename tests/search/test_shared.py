"""The conditions of properties, each with examples that are correct, open and wrong."""

from collections.abc import Sequence

import pytest

from conformance.protocol.outcomes import Violation
from conformance.search import model, property_conditions
from conformance.search.model import Entry
from conformance.search.observation import Pairs

TWO = [model.text_entry("plan", "pro"), model.text_entry("size", "XL")]
MANY = [model.text_entry(f"k{n}", f"v{n}") for n in range(31)]
SENT = [(f"k{n}", f"v{n}") for n in range(31)]
OPTIONAL = [model.other_entry("a", optional=True), model.text_entry("b", "1")]
ODD_FIRST = [model.other_entry("odd", optional=True), *MANY]

RIGHT = [
    (property_conditions.order_and_pairing, TWO, [("plan", "pro"), ("size", "XL")]),
    (property_conditions.order_and_pairing, OPTIONAL, [("b", "1")]),
    (property_conditions.order_and_pairing, OPTIONAL, [("a", "anything"), ("b", "1")]),
    (property_conditions.first_thirty, MANY, SENT[:30]),
    (property_conditions.first_thirty, ODD_FIRST, SENT[:30]),
    (property_conditions.first_thirty, ODD_FIRST, SENT[:29]),
    (property_conditions.first_thirty, ODD_FIRST, [("odd", "x"), *SENT[:29]]),
    (property_conditions.cut_values, [model.text_entry("a", "x" * 2001)], [("a", "x" * 2000)]),
    (property_conditions.simple_values, [model.simple_entry("a", "42")], [("a", "42")]),
    (
        property_conditions.nothing_but_text,
        [model.other_entry("a", optional=False)],
        [("a", "[object Object]")],
    ),
    (property_conditions.well_formed, [model.text_entry("a", "\ud83d")], [("a", "\ufffd")]),
    (property_conditions.well_formed, [model.text_entry("\ud83d", "1")], [("\ufffd", "1")]),
]

WRONG = [
    (property_conditions.order_and_pairing, TWO, [("size", "XL"), ("plan", "pro")]),
    (property_conditions.order_and_pairing, TWO, [("plan", "XL"), ("size", "pro")]),
    (property_conditions.order_and_pairing, TWO, [("plan", "pro")]),
    (property_conditions.order_and_pairing, TWO, []),
    (property_conditions.order_and_pairing, TWO, [("plan", "pro"), ("size", "XL"), ("more", "1")]),
    (property_conditions.first_thirty, MANY, SENT),
    (property_conditions.first_thirty, MANY, SENT[1:]),
    (property_conditions.first_thirty, MANY, SENT[:29]),
    (property_conditions.cut_values, [model.text_entry("a", "x" * 2001)], [("a", "x" * 1999)]),
    (property_conditions.cut_values, [model.text_entry("a", "x" * 2001)], [("a", "x" * 2001)]),
    (property_conditions.cut_values, [model.text_entry("a", "x" * 2001)], [("a", "y" * 2000)]),
    (property_conditions.simple_values, [model.simple_entry("a", "42")], [("a", "42.0")]),
    (property_conditions.nothing_but_text, [model.other_entry("a", optional=False)], [("a", {})]),
    (property_conditions.nothing_but_text, [model.other_entry("a", optional=False)], []),
    (property_conditions.well_formed, [model.text_entry("a", "\ud83d")], [("a", "\ud83d")]),
    (property_conditions.well_formed, [model.text_entry("a", "\ud83d")], [("a", "")]),
    (property_conditions.well_formed, [model.text_entry("\ud83d", "1")], [("", "1")]),
]


@pytest.mark.parametrize(("condition", "entries", "pairs"), RIGHT)
def test_what_is_right_passes(
    condition: property_conditions.Condition, entries: Sequence[Entry], pairs: Pairs
) -> None:
    """Each condition applies to its correct example and accepts it."""
    assert condition(entries, pairs) is True


@pytest.mark.parametrize(("condition", "entries", "pairs"), WRONG)
def test_what_is_wrong_is_a_violation(
    condition: property_conditions.Condition, entries: Sequence[Entry], pairs: Pairs
) -> None:
    """Each condition rejects the fault that it is for."""
    with pytest.raises(Violation):
        condition(entries, pairs)


def test_of_equal_keys_one_may_be_left_out() -> None:
    """Of equal keys, a pair is matched with the entry that fits, even if an optional entry comes first."""
    entries = [
        Entry(key="a", kind=model.ValueKind.TEXT, texts=frozenset({"1"}), optional=True),
        Entry(key="a", kind=model.ValueKind.TEXT, texts=frozenset({"2"})),
    ]
    assert property_conditions.align(entries, [("a", "2")]) == [(entries[1], "2")]
