"""The timeline of a failed delivery as text: the events that the recorder saw, with their times."""

from collections.abc import Mapping
from typing import Any

_AT_ONCE = 1.0  # milliseconds


def moments(timeline: Mapping[str, Any]) -> tuple[tuple[float, str], ...]:
    """Return the moments of a timeline in order, as milliseconds and text."""
    collected: list[tuple[float, str]] = []
    if timeline["from"] == "call":
        collected.append((0.0, "track is called"))
    for request in timeline["requests"]:
        name = name_of(request)
        at_once = request["complete"] is not None and request["complete"] - request["first"] < _AT_ONCE
        happened = (
            ("first", f"{name}: all in" if at_once else f"{name}: first byte in"),
            ("complete", "" if at_once else f"{name}: all in"),
            ("answered", f"{name}: answered {request['status']}"),
            ("closed", "" if request["control"] else f"{name}: {_end(request)}, without an answer"),
        )
        collected += [(request[key], text) for key, text in happened if text and request[key] is not None]
    if timeline["gone"] is not None:
        collected.append((timeline["gone"], "the page is gone: the plain fetch beside it is given up"))
    return tuple(sorted(collected, key=lambda moment: moment[0]))


def _end(request: Mapping[str, Any]) -> str:
    """Return how the client left a request: by closing its connection, or its stream of HTTP/2."""
    return f"reset by RST_STREAM {request['reset']}" if request.get("reset") else "connection gone"


def name_of(request: Mapping[str, Any]) -> str:
    """Return the name of a request in a timeline."""
    if request["control"]:
        return "plain fetch beside it"
    followed = ", redirected" if request["followed"] else ""
    return f"{request['request']}{followed}"


def in_words(timeline: Mapping[str, Any]) -> str:
    """Return the timeline as text, one moment a line."""
    start = (
        "" if timeline["from"] == "call" else "counted from the first byte: the call's moment is unknown\n"
    )
    ordered = moments(timeline)
    width = max(len(f"{at:.0f}") for at, _ in ordered)
    return start + "\n".join(f"{at:>{width}.0f} ms  {text}" for at, text in ordered)
