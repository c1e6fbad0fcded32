"""When an event's requests came and ended, counted from the call."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.recorder import Exchange, timeline

CALLED = 1_790_000_000.0


def exchange(target: str, *, at: float, **more: Any) -> Exchange:
    """A POST whose head came ``at`` seconds after the call, and its body one millisecond later."""
    for name in {"answered", "gone"} & set(more):
        more[name] += CALLED
    return Exchange(
        id=1,
        origin="http://localhost:4000",
        connection=1,
        method="POST",
        headers=(),
        target=target,
        started=CALLED + at,
        complete=CALLED + at + 0.001,
        **more,
    )


def control(*, at: float = 0.006, gone: float = 0.04) -> Exchange:
    """The plain request of our own."""
    return exchange(f"/control/t?called={CALLED * 1000:.0f}", at=at, gone=gone)


def test_moments_count_from_the_call() -> None:
    """The control's target says when the call was made, and its end when the page was gone."""
    event = exchange("/api/event?x", at=0.005, gone=0.0412, held=True)
    assert timeline([event], [control()]) == {
        "from": "call",
        "gone": 40.0,
        "requests": [
            {
                "request": "POST /api/event",
                "control": False,
                "first": 5.0,
                "complete": 6.0,
                "answered": None,
                "closed": 41.2,
                "status": None,
                "held": True,
                "followed": False,
            },
            {
                "request": "POST /control/t",
                "control": True,
                "first": 6.0,
                "complete": 7.0,
                "answered": None,
                "closed": 40.0,
                "status": None,
                "held": False,
                "followed": False,
            },
        ],
    }


def test_without_a_control_they_count_from_the_first_byte() -> None:
    """An engine may give our own request up unsent: neither call nor end of the page are made up then."""
    found = timeline([exchange("/api/event", at=5, answered=5.25, status=202)], [])
    assert found
    assert (found["from"], found["gone"]) == ("first byte", None)
    assert [(r["first"], r["answered"], r["status"]) for r in found["requests"]] == [(0, 250.0, 202)]


def test_a_coarse_clock_makes_no_negative_moment() -> None:
    """A page's clock may be ahead by its resolution; nothing arrives before it is sent."""
    found = timeline([exchange("/api/event", at=-0.0015)], [control()])
    assert found
    assert [request["first"] for request in found["requests"]] == [0.0, 7.5]


def test_of_nothing_there_is_no_timeline() -> None:
    """No request, no moment."""
    assert timeline([], []) is None


@pytest.mark.parametrize("controls", [[], [control()]])
def test_it_is_as_the_schema_says(controls: list[Exchange]) -> None:
    """Run record and report describe it alike."""
    found = timeline([exchange("/api/event", at=0.005)], controls)
    for name in ("run-record", "report"):
        schema: Any = json.loads(bundled(f"fixtures/schema/{name}.schema.json").read_text(encoding="utf-8"))
        own = {**schema["$defs"]["case"]["properties"]["timeline"], "$defs": schema["$defs"]}
        assert [error.message for error in Draft202012Validator(own).iter_errors(found)] == []
        assert not Draft202012Validator(own).is_valid({**(found or {}), "requests": []})
