"""Expected values: literals, matchers, exact decimals, and the place that a mismatch names."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.protocol.matching import ABSENT, describe, expand, mismatch, notes

LONE = "\ud83c"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"$absent": True}, ABSENT),
        ({"$any": ["a", 5]}, "a"),
        ({"$any": ["a", 5]}, Decimal("5.0")),
        ({"$any": [{"$absent": True}, []]}, ABSENT),
        ({"$any": [{"$absent": True}, []]}, []),
        ({"$string": True}, ""),
        ({"$string": True}, "😀 \0 \ufffd"),
        ({"$number": True}, 0),
        ({"$number": True}, -0.5),
        ({"$number": True}, Decimal("1e400")),
        ({"$empty": True}, None),
        ({"$empty": True}, ""),
        ({"$empty": True}, []),
        ({"$empty": True}, ABSENT),
        ({"t": "e"}, {"t": "e", "d": "example.com"}),
        ({}, {"d": "example.com"}),
        ([], []),
        (["a", {"$string": True}], ["a", "b"]),
        (None, None),
        (True, True),
    ],
)
def test_accepts(expected: Any, actual: Any) -> None:
    """A value that a matcher or literal stands for matches; an object may have further members."""
    assert mismatch(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual", "message"),
    [
        ({"$absent": True}, None, "expected nothing, got null"),
        ({"$absent": True}, "", 'expected nothing, got ""'),
        ({"$any": ["a", 5]}, "5", 'expected "a" or 5, got "5"'),
        ({"$any": ["a", 5]}, ABSENT, 'expected "a" or 5, got nothing'),
        ({"$string": True}, LONE, 'expected a well-formed string, got "\\ud83c"'),
        ({"$string": True}, 42, "expected a well-formed string, got 42"),
        ({"$string": True}, None, "expected a well-formed string, got null"),
        ({"$string": True}, ABSENT, "expected a well-formed string, got nothing"),
        ({"$number": True}, "49.99", 'expected a number, got "49.99"'),
        ({"$number": True}, True, "expected a number, got true"),
        ({"$number": True}, float("inf"), "expected a number, got inf"),
        ({"$number": True}, Decimal("NaN"), "expected a number, got NaN"),
        ({"$number": True}, None, "expected a number, got null"),
        ({"$empty": True}, 0, "expected nothing, got 0"),
        ({"$empty": True}, Decimal(0), "expected nothing, got 0"),
        ({"$empty": True}, False, "expected nothing, got false"),
        ({"$empty": True}, " ", 'expected nothing, got " "'),
        ({"$empty": True}, [""], 'expected nothing, got [""]'),
        ("e", "E", 'expected "e", got "E"'),
        ("1", 1, 'expected "1", got 1'),
        (None, "", 'expected null, got ""'),
        (None, ABSENT, "expected null, got nothing"),
        ({"t": "e"}, ["t", "e"], 'expected an object, got ["t", "e"]'),
        (["a"], "a", 'expected ["a"], got "a"'),
    ],
)
def test_refuses(expected: Any, actual: Any, message: str) -> None:
    """A value that a matcher or literal does not stand for is a mismatch; the message shows both."""
    assert mismatch(expected, actual) == message


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (25, Decimal("25.0")),
        (25.0, 25),
        (49.99, Decimal("49.99")),
        (Decimal("49.9900"), Decimal("49.99")),
        (1000, Decimal("1e3")),
        (0, Decimal("-0")),
        (Decimal("9999999999999.99"), Decimal("9999999999999.9900")),
    ],
)
def test_equal_numbers_are_equal(expected: Any, actual: Any) -> None:
    """Numbers are compared by value, independent of their notation (REV-1)."""
    assert mismatch(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (49.99, Decimal("49.990002")),
        (49.99, Decimal("49.9900000000000019895")),  # the double nearest to 49.99, written out
        (Decimal("9999999999999.99"), Decimal("9999999999999.990234")),
        (1, True),
        (0, False),
        (True, 1),
        (False, Decimal(0)),
        (49.99, "49.99"),
        (Decimal("49.99"), "49.99"),
        (49.99, Decimal("NaN")),
        (49.99, Decimal("sNaN")),
        (49.99, None),
    ],
)
def test_other_numbers_are_not(expected: Any, actual: Any) -> None:
    """Numbers match without tolerance or conversion; a boolean or a text is not a number (REV-1)."""
    assert mismatch(expected, actual) is not None


@pytest.mark.parametrize("actual", [Decimal("sNaN"), Decimal("NaN")])
def test_a_stored_nan_is_no_amount(actual: Decimal) -> None:
    """Any stored amount that is not a number is a mismatch, not a fault of the suite (REV-1)."""
    assert mismatch({"amount": Decimal(5)}, {"amount": actual}) == f"amount: expected 5, got {actual}"


@pytest.mark.parametrize(
    ("expected", "actual", "message"),
    [
        ({"mk": ["a", "b"]}, {"mk": ["a", "c"]}, 'mk[1]: expected "b", got "c"'),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "a.b[0].c: expected 1, got 2"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b: expected 1, got nothing"),
        ({"mv": ["a"]}, {"mv": []}, "mv: expected 1 members, got 0: []"),
        ({"mv": []}, {"mv": ["a"]}, 'mv: expected 0 members, got 1: ["a"]'),
        ({"ra": {"$absent": True}}, {"ra": None}, "ra: expected nothing, got null"),
        (["a"], [], "expected 1 members, got 0: []"),
    ],
)
def test_mismatch_names_the_place(expected: Any, actual: Any, message: str) -> None:
    """The message begins with the path of the first difference, or without a path at the top level."""
    assert mismatch(expected, actual) == message


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("Signup {token}, {token}", "Signup cp1, cp1"),
        ({"$repeat": ["é{token}", 2]}, "écp1écp1"),
        ({"$repeat": ["x", 0]}, ""),
        ({"$join": ["{token}", {"$repeat": ["a", 3]}, ""]}, "cp1aaa"),
        ({"$series": ["k{token}-", 3]}, ["kcp1-0", "kcp1-1", "kcp1-2"]),
        ({"$series": ["k", 0]}, []),
        ({"n {token}": ["{token}", 5, None, True]}, {"n cp1": ["cp1", 5, None, True]}),
        ({"$any": ["{token}", {"$repeat": ["b", 2]}]}, {"$any": ["cp1", "bb"]}),
        ({"$string": True}, {"$string": True}),
    ],
)
def test_expand(value: Any, expanded: Any) -> None:
    """Tokens, repeats, joins and series are evaluated at every depth; everything else stays."""
    assert expand(value, "cp1") == expanded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\ud83c", '"a\\u000ab\\ud83c"'),
        ("x" * 81, f'"{"x" * 40}"… (81 characters, ending in "{"x" * 10}")'),
        ([0] * 7, "[0, 0, 0, … 7 in all]"),
        ([], "[]"),
        (False, "false"),
        ({"$any": [{"$absent": True}, {"$number": True}]}, "nothing or a number"),
    ],
)
def test_describe_is_one_short_line(value: Any, text: str) -> None:
    """Values are described on one line, shortened, without unprintable characters."""
    assert describe(value) == text


KEYS = st.text(min_size=1, max_size=3).filter(lambda key: not key.startswith("$"))


@pytest.mark.parametrize(
    ("found", "noted"),
    [("short", []), ("odd", ["an odd one"]), ("other", [])],
)
def test_a_note_is_reported_for_its_choice_only(found: str, noted: list[str]) -> None:
    """A choice with a note matches like any other; the note is reported only if that choice matched."""
    expected = {"mv": ["a", {"$any": ["short", {"$noted": ["an odd one", "odd"]}]}]}
    actual = {"mv": ["a", found]}
    assert (mismatch(expected, actual) is None) is (found != "other")
    assert notes(expected, actual) == noted


NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.just("{token}")


def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for lists and objects of the given values."""
    return st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3)


VALUES = st.recursive(LEAVES, containers, max_leaves=8)


def nature(leaf: Any) -> tuple[str, Any]:
    """Return what makes two leaves equal: the JSON type and the value."""
    number = isinstance(leaf, int | Decimal) and not isinstance(leaf, bool)
    return "number" if number else type(leaf).__name__, leaf


def around(pairs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return two values that are equal except for one member, which is the given pair."""
    in_list = st.tuples(st.lists(VALUES, max_size=2), pairs, st.lists(VALUES, max_size=2)).map(
        lambda drawn: tuple([*drawn[0], one, *drawn[2]] for one in drawn[1])
    )
    in_object = st.tuples(KEYS, st.dictionaries(KEYS, VALUES, max_size=2), pairs).map(
        lambda drawn: tuple({**drawn[1], drawn[0]: one} for one in drawn[2])
    )
    return in_list | in_object


OTHER_LEAF = st.tuples(LEAVES, LEAVES).filter(lambda pair: nature(pair[0]) != nature(pair[1]))
LONGER = st.tuples(st.lists(VALUES, max_size=2), VALUES).map(lambda drawn: (drawn[0], [*drawn[0], drawn[1]]))
SHORTER = LONGER.map(lambda pair: (pair[1], pair[0]))
MISSING: st.SearchStrategy[Any] = st.tuples(KEYS, VALUES).map(lambda drawn: ({drawn[0]: drawn[1]}, {}))
CHANGED = st.recursive(OTHER_LEAF | LONGER | SHORTER | MISSING, around, max_leaves=4)


@settings(deadline=None)
@given(VALUES)
def test_a_literal_matches_itself(value: Any) -> None:
    """Any literal matches an equal value."""
    expanded = expand(value, "cp1")
    assert mismatch(expanded, copy.deepcopy(expanded)) is None


@settings(deadline=None)
@given(CHANGED)
def test_a_changed_literal_never_matches(pair: tuple[Any, Any]) -> None:
    """A literal never matches a value with one changed, added or removed leaf, wherever it is."""
    expected, actual = pair
    assert mismatch(expand(expected, "cp1"), expand(actual, "cp1")) is not None
