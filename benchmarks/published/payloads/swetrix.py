"""Swetrix: one JSON object a request; custom events go to ``/log/custom``."""

import json
from typing import Any

ANSWER = "{}"


def payloads(request: Any) -> list[dict[str, Any]]:
    """The custom event of a request."""
    if request.path != "/log/custom":
        return []
    sent = json.loads(request.body)
    properties = sent.get("meta") or {}
    return [{"t": "e", "n": sent["ev"], "mk": list(properties), "mv": list(properties.values())}]
