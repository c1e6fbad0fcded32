"""Strategies of texts, values and calls, weighted to known trouble, in forms that shrink to vectors."""

import json
import math
from typing import Any

from hypothesis import strategies as st

from conformance.paths import bundled
from conformance.search.calls import Call, Value, distinct

# Characters known to break storage, cuts or comparisons: surrogate pairs and halves, NUL and other controls,
# combining, joining and bidirectional marks, line separators, a byte-order mark.
_TROUBLE = (
    "😀\U0010ffff\ud83d\udc00\0\t\n\x1f\x7f\x85\u0301\u200d\u202e\u2028\u2029\ufeff\ufffd\uffff"
    "'\"\\<&%İßשא文é "
)
_NAMES = (
    "Signup",
    "Purchase",
    "Video Play",
    "click",
    "__proto__",
    "constructor",
    "404",
    "null",
    "購入",
    "A&B <b>",
)
_KEYS = (
    "plan",
    "a",
    "b",
    "n",
    "t",
    "mk",
    "length",
    "name",
    "amount",
    "toJSON",
    "Plan",
    "größe",
    "颜色",
    "a.b",
    "$x",
)
_ODD_KEYS = ("", " ", "__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "007", "-1", "1.5")
_CODES = ("EUR", "USD", "JPY", "KWD")
_ODD_CODES = ("eur", "EU", "EURO", "", " EUR", "€", "12E", "💶", "\ud83d", "ÄÖÜ")
_EDGES = (1998, 1999, 2000, 2001, 2002, 4001)

_EXPRESSIONS = json.loads(bundled("fixtures/values.json").read_text(encoding="utf-8"))
OTHER, ODD = _EXPRESSIONS["other"], _EXPRESSIONS["odd"]


def evenly(*ways: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from the strategies with equal weight; ``one_of`` flattens branches and starves simple ones."""
    return st.sampled_from(ways).flatmap(lambda way: way)


texts = st.one_of(
    st.text("abc", min_size=1, max_size=3),
    st.text(st.sampled_from(_TROUBLE), max_size=4),
    st.text(st.characters(), max_size=6),
)


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    """Draw texts near the limit of a value (PROP-3): one repeated character, with a few before and after."""
    filler = draw(st.sampled_from("xé文😀\u0301\0"))
    before, after = draw(st.text("ab😀", max_size=2)), draw(st.text("yz😀\ud83d", max_size=3))
    return before + filler * draw(st.sampled_from(_EDGES)) + after


keys = st.one_of(
    st.sampled_from(_KEYS),
    st.text("abc", min_size=1, max_size=2),
    st.integers(0, 40).map(str),
    st.sampled_from(_ODD_KEYS),
    texts,
)
names = st.one_of(st.sampled_from(_NAMES), texts, st.text(st.characters(), max_size=60)).map(
    lambda t: f"{t} {{token}}"
)
cents = st.integers(-(10**9), 10**9).map(lambda whole: whole / 100)
numbers = st.one_of(
    st.integers(-(2**53), 2**53).map(float), cents, st.floats(allow_nan=False, allow_infinity=False)
)


def _value(kind: str) -> Any:
    return lambda of: Value(kind=kind, of=of)


values = evenly(
    texts.map(_value("string")),
    numbers.map(_value("number")),
    st.booleans().map(_value("boolean")),
    st.sampled_from(OTHER).map(_value("other")),
    st.sampled_from(ODD).map(_value("odd")),
    st.just(Value(kind="getter")),
)
few = st.lists(st.tuples(keys, values), max_size=5)
_some_long = st.lists(st.tuples(keys, long_texts().map(_value("string"))), min_size=1, max_size=2)
_many = st.tuples(st.integers(25, 60), st.lists(st.tuples(keys, values), max_size=3)).map(
    lambda drawn: [*drawn[1], *((f"k{n}", Value(kind="string", of=f"v{n}")) for n in range(drawn[0]))]
)
properties = evenly(
    few.map(distinct),
    st.tuples(few, _some_long).map(lambda both: distinct((*both[0], *both[1]))),
    _many.map(distinct),
    st.sampled_from(_EXPRESSIONS["properties"]),
)
fine_amounts = st.integers(1, 10**6).map(lambda whole: whole / 10_000)
refunds = st.integers(-(10**7), 0).map(lambda whole: whole / 100)
_no_numbers = st.sampled_from((math.nan, math.inf, -math.inf)).map(_value("number"))
_odd_amounts = evenly(
    st.sampled_from(("$49.99", "49,99", "", "free", "49.99")).map(_value("string")),
    st.sampled_from(OTHER).map(lambda source: Value(kind=_amount_kind(source), of=source)),
    st.sampled_from(ODD).map(_value("odd")),
    st.just(Value(kind="getter")),
)
_amounts = evenly(
    cents.map(_value("number")),
    fine_amounts.map(_value("number")),
    refunds.map(_value("number")),
    numbers.map(_value("number")),
    _no_numbers,
    _odd_amounts,
)
_currencies = evenly(
    st.sampled_from(_CODES).map(_value("string")),
    st.sampled_from(_ODD_CODES).map(_value("string")),
    st.sampled_from((*OTHER, *ODD)).map(_value("other")),
)


def _amount_kind(source: str) -> str:
    """Return "odd" for an expression that may convert to a number, whose sending is open, else "other"."""
    return "odd" if any(figure.isdigit() for figure in source) or source == "[]" else "other"


@st.composite
def _revenues(draw: st.DrawFn) -> tuple[tuple[str, Value], ...]:
    members = []
    if draw(st.integers(0, 9)) < 9:  # One in ten has no amount.
        members.append(("amount", draw(_amounts)))
    if draw(st.booleans()):
        members.append(("currency", draw(_currencies)))
    return tuple(members)


calls = st.builds(
    Call,
    name=names,
    properties=properties,
    revenue=evenly(st.none(), _revenues(), _revenues(), st.sampled_from(_EXPRESSIONS["revenue"])),
)
