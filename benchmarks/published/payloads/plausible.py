"""Plausible: one JSON object a request, as ``text/plain``; ``engagement`` is an internal event."""

import json
from typing import Any


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom event of a request as a Clickport payload."""
    if not request.path.endswith("/api/event"):
        return []
    sent = json.loads(request.body)
    if sent["n"] in ("pageview", "engagement"):
        return []
    properties, revenue = sent.get("p") or {}, sent.get("$") or {}
    names = {"amount": "ra", "currency": "rc"}
    return [
        {
            "t": "e",
            "n": sent["n"],
            "mk": list(properties),
            "mv": list(properties.values()),
            **{names[key]: value for key, value in revenue.items()},
        }
    ]
