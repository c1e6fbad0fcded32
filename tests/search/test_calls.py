"""Drawn calls and bodies: their source text, their storage as JSON, and the expected events."""

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
    """A string is written as a readable literal, with long runs abbreviated by repeat()."""
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
    """A call is written in full; keys with a special meaning in an object literal are computed keys."""
    assert CALL.source("t1") == (
        "clickport.track('Signup t1', { plan: 'pro', ['2']: -0, ['__proto__']: true, "
        "get x() { throw new Error('no') }, y: new Date(0), z: NaN }, { amount: 49.99, currency: 'EUR' })"
    )


def test_a_call_survives_being_kept() -> None:
    """A call is equal after storage as JSON, including minus zero and NaN."""
    again = Call.from_json(CALL.to_json())
    assert (again.identity, again.source("t1")) == (CALL.identity, CALL.source("t1"))


def test_what_a_call_must_come_to() -> None:
    """Order, types and optional properties follow JavaScript and the requirements."""
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
    """A body is an event, no event or open (WIRE-8); a hostile one may also be refused."""
    body = Body(data)
    assert (body.meaning, body.hostile) == (meaning, hostile)


def test_bytes_survive_being_kept() -> None:
    """A body that is not text is stored as well."""
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
    """A throwing getter, conversion or proxy trap is distinguished from values that are merely unusual."""
    assert call.throws is throws


def test_no_must_is_drawn_of_what_throws() -> None:
    """If an argument throws and no event arrives, no MUST is examined: the vectors say SHOULD."""
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
