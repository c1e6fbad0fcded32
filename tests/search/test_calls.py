"""Calls and bodies: written as what they are, kept as JSON, and expected as the requirements say."""

import math
from decimal import Decimal

import pytest

from conformance.protocol.cases import catalogue
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Lane, Level
from conformance.search.bodies import Body, Meaning
from conformance.search.calls import Call, Value, text_source
from conformance.search.conditions import CONDITIONS
from conformance.search.model import ValueKind
from conformance.search.observation import Observation

SOURCES = [
    ("", "''"),
    ("it's", "'it\\'s'"),
    ("a\\b", "'a\\\\b'"),
    ("a\nb\0", "'a\\nb\\u0000'"),
    ("\ud83d", "'\\ud83d'"),
    ("\u2028", "'\\u2028'"),
    ("x" * 2001, "'x'.repeat(2001)"),
    ("a" + "文" * 30 + "z", "'a' + '文'.repeat(30) + 'z'"),
]


@pytest.mark.parametrize(("text", "source"), SOURCES)
def test_texts_as_javascript(text: str, source: str) -> None:
    """A text is written as a literal that a person can read, long runs in short."""
    assert text_source(text) == source


CALL = Call(
    name="Signup {token}",
    properties=(
        ("plan", Value(kind="string", of="pro")),
        ("2", Value(kind="number", of=-0.0)),
        ("__proto__", Value(kind="boolean", of=True)),
        ("x", Value(kind="getter")),
        ("y", Value(kind="other", of="new Date(0)")),
        ("z", Value(kind="number", of=math.nan)),
    ),
    revenue=(("amount", Value(kind="number", of=49.99)), ("currency", Value(kind="string", of="EUR"))),
)


def test_a_call_as_javascript() -> None:
    """The whole call, with keys that a literal would take for something else in brackets."""
    assert CALL.source("t1") == (
        "clickport.track('Signup t1', { plan: 'pro', ['2']: -0, ['__proto__']: true, "
        "get x() { throw new Error('no') }, y: new Date(0), z: NaN }, { amount: 49.99, currency: 'EUR' })"
    )


def test_a_call_survives_being_kept() -> None:
    """What is read back from JSON is the same call, minus zero and NaN included."""
    again = Call.from_json(CALL.to_json())
    assert (again.identity, again.source("t1")) == (CALL.identity, CALL.source("t1"))


def test_what_a_call_must_come_to() -> None:
    """Order, kinds and what may be left out are those of JavaScript and the requirements."""
    entries = CALL.entries
    assert entries is not None
    assert [(e.key, e.kind, e.optional) for e in entries] == [
        ("2", ValueKind.SIMPLE, False),
        ("plan", ValueKind.TEXT, False),
        ("__proto__", ValueKind.SIMPLE, True),
        ("x", ValueKind.OTHER, True),
        ("y", ValueKind.OTHER, False),
        ("z", ValueKind.OTHER, False),
    ]
    assert (CALL.amount, CALL.currency) == (Decimal("49.99"), "EUR")


MEANINGS = [
    (b'{"t": "e", "n": "x"}', Meaning.EVENT, False),
    (b'{"t": "e", "n": ""}', Meaning.NO_EVENT, False),
    (b'{"t": "e", "n": 5}', Meaning.NO_EVENT, False),
    (b'{"t": "p"}', Meaning.OPEN, True),
    (b'{"t": "p", "n": "x"}', Meaning.OPEN, True),
    (b"[]", Meaning.NO_EVENT, False),
    (b"", Meaning.NO_EVENT, False),
    (b'{"t": "e", "n": "x", "ra": NaN}', Meaning.NO_EVENT, False),
    (b'{"t": "e", "n": "\xff"}', Meaning.NO_EVENT, False),
    (b'{"t": "e", "n": "x", "n": "y"}', Meaning.OPEN, True),
    (b'\xef\xbb\xbf{"t": "e", "n": "x"}', Meaning.OPEN, True),
    (b'{"t": "e", "n": "x", "y": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Meaning.OPEN, True),
    (b'{"t": "e", "n": "x", "y": 1e400}', Meaning.EVENT, True),
    (b'{"t": "e", "n": "x\\u0000"}', Meaning.EVENT, True),
]


@pytest.mark.parametrize(("data", "meaning", "hostile"), MEANINGS)
def test_what_a_body_means(data: bytes, meaning: Meaning, hostile: bool) -> None:
    """WIRE-8's three: an event, no event, and what is open; hostile is what may be refused as well."""
    body = Body(data)
    assert (body.meaning, body.hostile) == (meaning, hostile)


def test_bytes_survive_being_kept() -> None:
    """A body that is no text is kept all the same."""
    assert Body.from_json(Body(b"\xff{token}").to_json()) == Body(b"\xff{token}")


@pytest.mark.parametrize(
    ("call", "throws"),
    [
        (Call(name="Signup {token}", properties=(("a", Value(kind="string", of="b")),)), False),
        (Call(name="Signup {token}", properties=(("a", Value(kind="odd", of="Symbol('s')")),)), False),
        (Call(name="Signup {token}", properties=(("a", Value(kind="getter")),)), True),
        (Call(name="Signup {token}", properties=(("a", Value(kind="odd", of="{ toString: null }")),)), True),
        (Call(name="Signup {token}", properties=(), revenue=(("amount", Value(kind="getter")),)), True),
        (
            Call(
                name="Signup {token}",
                properties=(),
                revenue="new Proxy({}, { get() { throw new Error('no') } })",
            ),
            True,
        ),
    ],
)
def test_calls_know_what_throws(call: Call, *, throws: bool) -> None:
    """A getter, a conversion or a proxy trap that throws is told from values that are merely odd."""
    assert call.throws is throws


def test_no_must_is_drawn_of_what_throws() -> None:
    """Of a call whose argument throws, and that did not arrive, no MUST is examined: vectors say SHOULD."""
    call = Call(name="Signup {token}", properties=(("a", Value(kind="getter")),))
    lost = Observation(example=call, token="cp0e", arrived=[], rows=[])
    musts = [
        CONDITIONS[case.lane][case.id.partition("/")[2]]
        for case in catalogue()
        if case.drawn and case.level is Level.MUST and case.lane in (Lane.TRACKER, Lane.PAIR)
    ]
    assert musts
    assert [condition(lost) for condition in musts] == [False] * len(musts)
    with pytest.raises(Violation):
        CONDITIONS[Lane.TRACKER]["prop-5-fuzz-throwing"](lost)
