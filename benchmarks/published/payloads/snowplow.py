"""Snowplow: batches as JSON; each self-describing event is base64 of JSON, without padding."""

import base64
import json
from typing import Any


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom events of a request as Clickport payloads."""
    if not request.path.endswith("/tp2"):
        return []
    batch = json.loads(request.body)["data"]
    return [_event(_described(one)) for one in batch if one["e"] == "ue"]


def _described(one: dict[str, Any]) -> Any:
    text = one["ue_pr"] if "ue_pr" in one else base64.urlsafe_b64decode(one["ue_px"] + "===")
    return json.loads(text)["data"]["data"]


def _event(data: dict[str, Any]) -> dict[str, Any]:
    properties, revenue = data.get("properties") or {}, data.get("revenue") or {}
    names = {"amount": "ra", "currency": "rc"}
    return {
        "t": "e",
        "n": data["name"],
        "mk": list(properties),
        "mv": list(properties.values()),
        **{names[key]: value for key, value in revenue.items()},
    }
