"""Amplitude: batches as JSON; names beginning with ``$`` or ``[Amplitude]`` are its internal events."""

import json
from typing import Any

ANSWER = '{"code": 200}'


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom events of a request as Clickport payloads."""
    if request.path != "/2/httpapi":
        return []
    batch = json.loads(request.body)["events"]
    return [_event(one) for one in batch if not one["event_type"].startswith(("$", "[Amplitude]"))]


def _event(one: dict[str, Any]) -> dict[str, Any]:
    given = dict(one.get("event_properties") or {})
    revenue = {short: given.pop(key) for key, short in (("amount", "ra"), ("currency", "rc")) if key in given}
    return {"t": "e", "n": one["event_type"], "mk": list(given), "mv": list(given.values()), **revenue}
