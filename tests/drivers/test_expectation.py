"""A call and its requests compared with a vector."""

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
    """Return the evidence of a case from a vector, before anything was observed."""
    case = Case(
        id="pair/rev-1-x", requirement="REV-1", lane=Lane.PAIR, level=Level.MUST, why="w", vector=vector
    )
    return Evidence(case=case)


def sent(body: Any, number: int = 1) -> Exchange:
    """Return a request at the recorder; ``body`` is its bytes, or members that replace the usual ones."""
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
    """Return the outcome of a call that raised nothing and after which the tracker still worked."""
    facts: dict[str, Any] = {"thrown": None, "raised": [], "next_works": True, **more}
    return Outcome(found=list(found), **facts)


@pytest.mark.parametrize(
    ("vector", "result"),
    [
        ({}, outcome(sent({"d": "example.com"}))),
        ({}, outcome(sent({}), sent({}, 2))),  # Compared as doubles: their notation is the matter of WIRE-4.
        ({"events": 2}, outcome(sent({}), sent({}, 2))),
        ({"events": 0}, outcome()),
        ({"optional": True}, outcome()),
        ({"optional": True, "sentinel": False}, outcome(next_works=False)),
        ({}, outcome(sent({}), thrown="TypeError: x", raised=["y"])),
        ({"quiet": True, "sentinel": False}, outcome(sent({}), next_works=False)),
    ],
)
def test_a_call_that_is_as_expected(vector: dict[str, Any], result: Outcome) -> None:
    """The payload and the number of events match; exceptions count only if the vector asks for that."""
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
        ({}, outcome(sent(b"[]")), "the request body is JSON, but not an object: it begins '[]'"),
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
    """A difference from the vector is a violation that states what was observed."""
    with pytest.raises(Violation) as caught:
        require_call(evidence(payload=PAYLOAD, **vector), TOKEN, result)
    assert str(caught.value) == message


def test_arrivals_are_kept_even_if_they_are_wrong() -> None:
    """Requests are kept as evidence before they are judged."""
    own = evidence(payload=PAYLOAD)
    with pytest.raises(Violation):
        require_call(own, TOKEN, outcome(sent(b"\xff")))
    assert [(one["method"], one["target"], one["body"]) for one in own.received] == [
        ("POST", "/api/event", "\\xff")
    ]


def test_an_arrival_is_enough() -> None:
    """If only the arrival is required, any request passes, and is kept."""
    own = evidence()
    require_arrival(own, [sent(b"?")])
    assert [one["body"] for one in own.received] == ["?"]


def test_no_arrival_is_a_loss() -> None:
    """If the arrival is required and no request came, the event is lost."""
    with pytest.raises(Violation, match=r"^no request arrived: the event is lost$"):
        require_arrival(evidence(), [])


def test_a_difference_names_what_differs() -> None:
    """The message names what it compares, and the place of the difference."""
    with pytest.raises(Violation, match=r"^the answer differs at a: expected 1, got 2$"):
        require_match({"a": 1}, {"a": 2}, "the answer")
