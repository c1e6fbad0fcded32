"""A lost event is held against one requirement, and never against a MUST whose vectors say less."""

import json
from decimal import Decimal
from typing import Any

import pytest

from conformance.drivers.requests import Reply
from conformance.protocol.cases import catalogue
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Lane
from conformance.readback import StoredRow
from conformance.recorder import Exchange
from conformance.search.bodies import Body
from conformance.search.calls import Call, Value
from conformance.search.conditions import CONDITIONS
from conformance.search.observation import Observation


def text(of: str) -> Value:
    """A text as a value."""
    return Value(kind="string", of=of)


def call(properties: Any = (), revenue: Any = None, name: str = "Signup {token}") -> Call:
    """A call with these parts."""
    return Call(name=name, properties=properties, revenue=revenue)


def money(amount: Value, currency: Value | None = None) -> tuple[tuple[str, Value], ...]:
    """A revenue argument."""
    return (("amount", amount), *((("currency", currency),) if currency else ()))


CYCLE = Value(kind="other", of="(() => { const o = {}; o.o = o; return o })()")
FIVE = Value(kind="number", of=5.0)

CALLS = {
    "plain": (call(), {"wire-4-fuzz"}),
    "another type": (call((("a", Value(kind="other", of="null")),)), {"wire-4-fuzz", "prop-5-fuzz"}),
    "a currency that is a cycle": (
        call((("a", Value(kind="other", of="null")),), money(FIVE, CYCLE)),
        {"rev-8-fuzz"},
    ),
    "a price tag": (call((), money(text("$5"))), {"rev-7-fuzz"}),
    "no amount": (call((), ()), {"rev-7-fuzz"}),
    "revenue is text": (call((), "'49.99'"), {"rev-7-fuzz"}),
    "a refund": (call((), money(Value(kind="number", of=-5.0))), {"rev-6-fuzz"}),
    "half a pair in the name": (call(name="\ud83d {token}"), {"prop-6-fuzz"}),
    "half a pair in a value": (call((("a", text("\ud83d")),)), {"prop-6-fuzz"}),
    "a blank key": (call(((" ", text("b")),)), set()),
    "properties are text": (call("'text'"), set()),
    "properties are undefined": (call("undefined"), {"wire-4-fuzz"}),
    "a huge amount": (call((), money(Value(kind="number", of=1e300))), set()),
    "two odd parts": (call((("\ud83d", text("b")),), money(text("$5"))), set()),
}
BODIES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "plain": ({}, {"wire-6-fuzz", "store-1-fuzz"}),
    "a number for a value": ({"mk": ["a"], "mv": [1]}, {"prop-4-fuzz"}),
    "null for a value": ({"mk": ["a"], "mv": [None]}, {"prop-5-fuzz"}),
    "half a pair": ({"mk": ["a"], "mv": ["\ud83d"]}, {"prop-6-fuzz"}),
    "lists of unequal length": ({"mk": ["a"], "mv": []}, {"prop-7-fuzz"}),
    "a key twice": ({"mk": ["a", "a"], "mv": ["1", "2"]}, {"prop-7-fuzz"}),
    "a blank key": ({"mk": [""], "mv": ["1"]}, set()),
    "a blank key and no value": ({"mk": [""], "mv": []}, set()),
    "a refund": ({"ra": -5, "rc": "EUR"}, {"rev-6-fuzz"}),
    "a price tag": ({"ra": "$5", "rc": "EUR"}, {"rev-7-fuzz"}),
    "a sign for a currency": ({"ra": 5, "rc": "€"}, {"rev-8-fuzz"}),
    "an amount beyond columns": ({"ra": 1e30, "rc": "EUR"}, set()),
    "an extra key": ({"x_page": 7}, {"wire-6-fuzz", "store-1-fuzz"}),
    "a key that servers use": ({"ts": "now"}, set()),
    "two odd parts": ({"ra": "$5", "rc": "€"}, set()),
}


def complaints(lane: Lane, seen: Observation) -> set[str]:
    """Return the ids of the conditions that find fault with what was seen."""
    found = set()
    for id_, condition in CONDITIONS[lane].items():
        try:
            condition(seen)
        except Violation:
            found.add(id_)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_lost_call_is_one_requirement(name: str) -> None:
    """Of a call that sent nothing, the requirement of its odd part complains; WIRE-4 if none is odd."""
    example, wanted = CALLS[name]
    assert complaints(Lane.TRACKER, Observation(example=example, token="cp0e", arrived=[])) == wanted


@pytest.mark.parametrize("name", CALLS)
def test_no_must_is_held_to_an_odd_call_without_a_row(name: str) -> None:
    """In the pair lane a call without an odd part that left no row is STORE-1; all others are no MUST."""
    example, _ = CALLS[name]
    musts = {c.id.partition("/")[2] for c in catalogue() if c.drawn and c.level == "MUST"}
    sent = Exchange(
        id=1, origin="", connection=1, method="POST", target="/api/event", headers=(), started=0, body=b"{}"
    )
    found = complaints(Lane.PAIR, Observation(example=example, token="cp0e", arrived=[sent], rows=[])) & musts
    assert found == (set() if example.oddities else {"store-1-fuzz"})


@pytest.mark.parametrize("status", [400, 202])
@pytest.mark.parametrize("name", BODIES)
def test_a_lost_request_is_one_requirement(name: str, status: int) -> None:
    """Of a request that left no row, refused or accepted, the requirement of its odd part complains."""
    members, wanted = BODIES[name]
    data = json.dumps({"t": "e", "n": "Signup {token}", **members})
    seen = Observation(example=Body(data.encode()), token="cp0e", reply=Reply(status=status), rows=[])
    plain = {"wire-6-fuzz", "store-1-fuzz"}
    told = {"wire-6-fuzz"} if status == 400 else {"store-1-fuzz"}
    assert complaints(Lane.SERVER, seen) == (told if wanted == plain else wanted)


def test_refunds_are_not_revenue_of_cents() -> None:
    """A refund that lost its sign is REV-6 in every lane, and neither REV-1 nor STORE-3."""
    example = call((), money(Value(kind="number", of=-49.99), text("EUR")))
    row = StoredRow(
        type="custom",
        name="Signup cp0e",
        meta_keys=(),
        meta_values=(),
        revenue_source_amount=Decimal("49.99"),
        revenue_source_currency="EUR",
    )
    body = b'{"t":"e","n":"Signup cp0e","ra":-49.99,"rc":"EUR"}'
    sent = Exchange(
        id=1, origin="", connection=1, method="POST", target="/", headers=(), started=0, body=body
    )
    pair = Observation(example=example, token="cp0e", arrived=[sent], rows=[row])
    posted = Observation(
        example=Body(body.replace(b"cp0e", b"{token}")), token="cp0e", reply=Reply(status=202), rows=[row]
    )
    assert (complaints(Lane.PAIR, pair), complaints(Lane.SERVER, posted)) == ({"rev-6-fuzz"}, {"rev-6-fuzz"})


@pytest.mark.parametrize("value", ["1", "2"])
def test_equal_keys_may_be_merged(value: str) -> None:
    """PROP-7: a server that keeps one value of a key that came twice, in its first place, breaks no MUST."""
    body = b'{"t": "e", "n": "Signup {token}", "mk": ["a", "b", "a"], "mv": ["1", "x", "2"]}'
    row = StoredRow(
        type="custom",
        name="Signup cp0e",
        meta_keys=("a", "b"),
        meta_values=(value, "x"),
        revenue_source_amount=None,
        revenue_source_currency=None,
    )
    seen = Observation(example=Body(body), token="cp0e", reply=Reply(status=202), rows=[row])
    assert complaints(Lane.SERVER, seen) == set()


def test_an_open_key_may_be_left_out_of_the_row() -> None:
    """PROP-8: a server that drops a blank key stores what the wire says as far as anybody asks for it."""
    example = call(((" ", text("b")), ("plan", text("pro"))))
    body = json.dumps({"t": "e", "n": "Signup cp0e", "mk": [" ", "plan"], "mv": ["b", "pro"]}).encode()
    sent = Exchange(
        id=1, origin="", connection=1, method="POST", target="/", headers=(), started=0, body=body
    )
    row = StoredRow(
        type="custom",
        name="Signup cp0e",
        meta_keys=("plan",),
        meta_values=("pro",),
        revenue_source_amount=None,
        revenue_source_currency=None,
    )
    assert (
        complaints(Lane.PAIR, Observation(example=example, token="cp0e", arrived=[sent], rows=[row])) == set()
    )
