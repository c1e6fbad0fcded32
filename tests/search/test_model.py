"""The model of strings, numbers and keys, compared with values from the standards."""

from decimal import Decimal

import pytest

from conformance.protocol.requirements import Level
from conformance.search import model
from conformance.search.model import Entry, ValueKind

NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (42.0, "42"),
    (-1.5, "-1.5"),
    (0.1 + 0.2, "0.30000000000000004"),
    (1e20, "100000000000000000000"),
    (123456789012345680000.0, "123456789012345680000"),
    (1e21, "1e+21"),
    (1.5e300, "1.5e+300"),
    (0.000001, "0.000001"),
    (0.0000001, "1e-7"),
    (1.25e-7, "1.25e-7"),
    (2.0**53 + 1, "9007199254740992"),
    (5e-324, "5e-324"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_are_written_as_javascript_prints_them(number: float, text: str) -> None:
    """Numbers are written as by ECMAScript's Number::toString, at both ends of its three forms."""
    assert model.number_text(number) == text


REPAIRS = [
    ("plain", "plain"),
    ("a\ud83d", "a\ufffd"),
    ("\ude00b", "\ufffdb"),
    ("\ud83d\ude00", "😀"),
    ("\ude00\ud83d", "\ufffd\ufffd"),
    ("😀\ud83d😀", "😀\ufffd😀"),
]


@pytest.mark.parametrize(("text", "whole"), REPAIRS)
def test_lone_surrogates_are_repaired(text: str, whole: str) -> None:
    """Each lone surrogate becomes one U+FFFD; a pair stays one character (PROP-6)."""
    assert model.repaired(text) == whole


CUTS = [
    ("x" * 2000, ValueKind.TEXT, {"x" * 2000}),
    ("x" * 2001, ValueKind.LONG, {"x" * 2000}),
    ("x" * 1998 + "😀", ValueKind.TEXT, {"x" * 1998 + "😀"}),
    ("x" * 1999 + "😀", ValueKind.BENT, {"x" * 1999, "x" * 1999 + "\ufffd", "x" * 1999 + "😀"}),
    ("😀" * 1001, ValueKind.LONG, {"😀" * 1000, "😀" * 1001}),
    ("😀" * 2001, ValueKind.LONG, {"😀" * 1000, "😀" * 2000}),
    ("a\ud83d", ValueKind.BENT, {"a\ufffd"}),
]


@pytest.mark.parametrize(("text", "kind", "allowed"), CUTS)
def test_what_may_be_left_of_a_value(text: str, kind: ValueKind, allowed: set[str]) -> None:
    """A value is cut at 2,000 UTF-16 units or code points; a pair at the cut is dropped, kept or U+FFFD."""
    assert model.text_entry("plan", text) == Entry(key="plan", kind=kind, texts=frozenset(allowed))


def test_integer_like_keys_come_first() -> None:
    """Array indices come first, in numerical order; other keys that look like numbers keep their place."""
    keys = ["b", "10", "007", "2", "-1", "1.5", "a", "0", "4294967295"]
    assert model.enumerated(keys) == ["0", "2", "10", "b", "007", "-1", "1.5", "a", "4294967295"]


BINDINGS = [
    ("49.99", Level.MUST),
    ("1234567890123.45", Level.MUST),
    ("999999999999999", Level.MUST),
    ("1e3", Level.MUST),
    ("0", Level.MUST),
    ("-0.01", Level.MUST),
    ("1.005", Level.SHOULD),
    ("0.0375", Level.SHOULD),
    ("0.00001", Level.MAY),
    ("1e15", Level.MAY),
    ("12345678901234.567", Level.MAY),
]


@pytest.mark.parametrize(("amount", "level"), BINDINGS)
def test_how_much_is_asked_of_an_amount(amount: str, level: Level) -> None:
    """Cents and 15 digits are a MUST, four decimals a SHOULD, anything finer is open (REV-1)."""
    assert model.binding(Decimal(amount)) is level


@pytest.mark.parametrize("key", ["", " ", "__proto__", "constructor", "x" * 201])
def test_odd_keys_may_be_left_out(key: str) -> None:
    """Properties with unusual keys are optional, because PROP-8 leaves them open."""
    assert model.simple_entry(key, "1").optional
