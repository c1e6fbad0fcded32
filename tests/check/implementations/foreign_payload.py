"""The payload mapping for foreign.js: its requests as documented payloads."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the events of a batch."""
    if request.path != "/collect":
        return []
    data = parse_qs(request.body.decode())["data"][0]
    return [_payload(one) for one in json.loads(base64.b64decode(data))["batch"]]


def _payload(one: dict[str, Any]) -> dict[str, Any]:
    keys, values = list(one["fields"]), [str(value) for value in one["fields"].values()]
    revenue = dict(zip(("ra", "rc"), one["worth"] or (), strict=False))
    return {"t": "e", "n": one["label"], "mk": keys, "mv": values, **revenue}
