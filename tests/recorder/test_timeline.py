"""The timeline of an event's requests, in milliseconds since the call."""

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.recorder import Exchange, timeline
from conformance.reports.text import show
from conformance.reports.timeline_text import in_words

CALLED = 1_790_000_000.0


def exchange(target: str, *, at: float, **more: Any) -> Exchange:
    """Return a POST whose head arrived ``at`` seconds after the call, and its body 1 ms later."""
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
    """Return the control request of the suite."""
    return exchange(f"/control/t?called={CALLED * 1000:.0f}", at=at, gone=gone)


def test_moments_count_from_the_call() -> None:
    """The control's target has the time of the call, and its end is that of the page."""
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
    """If the engine discards the control unsent, the time of the call and the end of the page are unknown."""
    found = timeline([exchange("/api/event", at=5, answered=5.25, status=202)], [])
    assert found
    assert (found["from"], found["gone"]) == ("first byte", None)
    assert [(r["first"], r["answered"], r["status"]) for r in found["requests"]] == [(0, 250.0, 202)]


def test_a_coarse_clock_makes_no_negative_moment() -> None:
    """A page's clock may be ahead by its resolution; no time is negative."""
    found = timeline([exchange("/api/event", at=-0.0015)], [control()])
    assert found
    assert [request["first"] for request in found["requests"]] == [0.0, 7.5]


def test_of_nothing_there_is_no_timeline() -> None:
    """Without a request there is no timeline."""
    assert timeline([], []) is None


@pytest.mark.parametrize("controls", [[], [control()]])
def test_it_is_as_the_schema_says(controls: list[Exchange]) -> None:
    """A timeline is valid under the schema of the run record, and under that of the report."""
    reset = exchange("/api/event", at=0.005, gone=0.04, http="HTTP/2", reset="CANCEL")
    found = timeline([exchange("/api/event", at=0.005), reset], controls)
    for name in ("run-record", "report"):
        schema: Any = json.loads(bundled(f"fixtures/schema/{name}.schema.json").read_text(encoding="utf-8"))
        own = {**schema["$defs"]["case"]["properties"]["timeline"], "$defs": schema["$defs"]}
        assert [error.message for error in Draft202012Validator(own).iter_errors(found)] == []
        assert not Draft202012Validator(own).is_valid({**(found or {}), "requests": []})


def test_reset_of_a_stream_is_a_moment() -> None:
    """A request over HTTP/2 that the client reset names the code, in the timeline and in its evidence."""
    event = exchange("/api/event", at=0.005, gone=0.04, http="HTTP/2", reset="CANCEL")
    found = timeline([event], [])
    assert found
    assert found["requests"][0]["reset"] == "CANCEL"
    assert "POST /api/event: reset by RST_STREAM CANCEL, without an answer" in in_words(found)
    assert show(event.summary()).endswith("(reset by RST_STREAM CANCEL before the answer)")
    cut = replace(event, complete=None, goaway="NO_ERROR").summary()
    assert show(cut).endswith(
        "(GOAWAY NO_ERROR from the browser, left before its body had ended, "
        "reset by RST_STREAM CANCEL before the answer)"
    )
