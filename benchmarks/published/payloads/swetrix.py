"""Swetrix: one JSON object a request; custom events go to ``/log/custom``."""

import json
from typing import Any

ANSWER = "{}"


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom event of a request as a Clickport payload."""
    if request.path != "/log/custom":
        return []
    sent = json.loads(request.body)
    properties = sent.get("meta") or {}
    return [{"t": "e", "n": sent["ev"], "mk": list(properties), "mv": list(properties.values())}]
