"""A call and its requests against what a vector says: a difference is a violation that names the place."""

import json
from typing import Any

import pytest

from conformance.drivers.expectations import require_arrival, require_call, require_match
from conformance.drivers.pages import Outcome
from conformance.harness.evidence import Evidence
from conformance.protocol.cases import Case
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Lane, Level
from conformance.recorder import Exchange

TOKEN = "cp1"
PAYLOAD = {"t": "e", "n": "Purchase {token}", "ra": 49.99, "rc": {"$absent": True}}


def evidence(**vector: Any) -> Evidence:
    """The evidence of a case that was read from a vector, before anything was seen."""
    case = Case(
        id="pair/rev-1-x", requirement="REV-1", lane=Lane.PAIR, level=Level.MUST, why="w", vector=vector
    )
    return Evidence(case=case)


def sent(body: Any, number: int = 1) -> Exchange:
    """A request at the recorder; ``body`` is its bytes, or the members it has beside the usual ones."""
    if not isinstance(body, bytes):
        body = json.dumps({"t": "e", "n": "Purchase cp1", "ra": 49.99, **body}).encode()
    return Exchange(
        id=number,
        origin="http://127.0.0.1:1",
        connection=1,
        method="POST",
        target="/api/event",
        headers=(),
        started=1.5,
        body=body,
    )


def outcome(*found: Exchange, **more: Any) -> Outcome:
    """What became of a call that was quiet, and after which the tracker still worked."""
    facts: dict[str, Any] = {"thrown": None, "raised": [], "next_works": True, **more}
    return Outcome(found=list(found), **facts)


@pytest.mark.parametrize(
    ("vector", "result"),
    [
        ({}, outcome(sent({"d": "example.com"}))),
        ({}, outcome(sent({}), sent({}, 2))),  # WIRE-4 judges doubles.
        ({"events": 2}, outcome(sent({}), sent({}, 2))),
        ({"events": 0}, outcome()),
        ({"optional": True}, outcome()),
        ({"optional": True, "sentinel": False}, outcome(next_works=False)),
        ({}, outcome(sent({}), thrown="TypeError: x", raised=["y"])),
        ({"quiet": True, "sentinel": False}, outcome(sent({}), next_works=False)),
    ],
)
def test_a_call_that_is_as_expected(vector: dict[str, Any], result: Outcome) -> None:
    """The payload named, the number of events named, and quiet only where the vector asks for it."""
    require_call(evidence(payload=PAYLOAD, **vector), TOKEN, result)


@pytest.mark.parametrize(
    ("vector", "result", "message"),
    [
        ({}, outcome(), "no request arrived: the event is lost"),
        (
            {},
            outcome(thrown="TypeError: x"),
            "no request arrived: the event is lost; the call threw TypeError: x",
        ),
        ({}, outcome(sent({"ra": 49.990002})), "the payload differs at ra: expected 49.99, got 49.990002"),
        ({}, outcome(sent({"ra": "49.99"})), 'the payload differs at ra: expected 49.99, got "49.99"'),
        ({}, outcome(sent({"rc": "USD"})), 'the payload differs at rc: expected nothing, got "USD"'),
        ({}, outcome(sent({}), sent({"t": "p"})), 'the payload differs at t: expected "e", got "p"'),
        ({}, outcome(sent(b"[]")), "the request body is JSON, but not one object: it begins '[]'"),
        ({"events": 2}, outcome(sent({})), "expected 2 requests, got 1"),
        ({"events": 1}, outcome(thrown="E"), "expected 1 request, got 0; the call threw E"),
        ({"events": 0}, outcome(sent({})), "expected 0 requests, got 1"),
        (
            {"events": 0},
            outcome(next_works=False),
            "a plain call made afterwards sent nothing: the tracker has stopped, or never worked",
        ),
        (
            {"quiet": True},
            outcome(sent({}), next_works=False),
            "a plain call made afterwards sent nothing: the tracker has stopped, or never worked",
        ),
        ({"quiet": True}, outcome(sent({}), thrown="E"), "the call threw E into the page"),
        (
            {"quiet": True},
            outcome(sent({}), raised=["a", "b"]),
            "the call raised 'a' in the page, uncaught",
        ),
        ({"optional": True}, outcome(next_works=False), "no request arrived: the event is lost"),
    ],
)
def test_a_call_that_is_not(vector: dict[str, Any], result: Outcome, message: str) -> None:
    """What departs from the vector is a violation that says what was seen."""
    with pytest.raises(Violation) as caught:
        require_call(evidence(payload=PAYLOAD, **vector), TOKEN, result)
    assert str(caught.value) == message


def test_arrivals_are_kept_even_if_they_are_wrong() -> None:
    """What reached the recorder is evidence before it is judged."""
    own = evidence(payload=PAYLOAD)
    with pytest.raises(Violation):
        require_call(own, TOKEN, outcome(sent(b"\xff")))
    assert [(one["method"], one["target"], one["body"]) for one in own.received] == [
        ("POST", "/api/event", "\\xff")
    ]


def test_an_arrival_is_enough() -> None:
    """Where only arrival is asked for, any request will do, and is kept."""
    own = evidence()
    require_arrival(own, [sent(b"?")])
    assert [one["body"] for one in own.received] == ["?"]


def test_no_arrival_is_a_loss() -> None:
    """Where arrival is asked for and nothing came, the event is lost."""
    with pytest.raises(Violation, match=r"^no request arrived: the event is lost$"):
        require_arrival(evidence(), [])


def test_a_difference_names_what_differs() -> None:
    """The message says of what it speaks, and where the difference is."""
    with pytest.raises(Violation, match=r"^the answer differs at a: expected 1, got 2$"):
        require_match({"a": 1}, {"a": 2}, "the answer")
