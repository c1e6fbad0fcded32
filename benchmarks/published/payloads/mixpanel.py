"""Mixpanel: an event or a batch, as JSON or base64, in the field ``data`` of a form."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

ANSWER = '{"status": 1, "error": null}'


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom events of a request as Clickport payloads."""
    if request.path != "/track/":
        return []
    text = parse_qs(request.body.decode())["data"][0]
    sent = json.loads(text if text[0] in "[{" else base64.b64decode(text))
    batch = sent if isinstance(sent, list) else [sent]
    return [_event(one) for one in batch if not one["event"].startswith("$")]


def _event(one: dict[str, Any]) -> dict[str, Any]:
    own = ("token", "distinct_id", "time", "mp_lib")
    given = {k: v for k, v in one["properties"].items() if not k.startswith("$") and k not in own}
    revenue = {short: given.pop(key) for key, short in (("amount", "ra"), ("currency", "rc")) if key in given}
    return {"t": "e", "n": one["event"], "mk": list(given), "mv": list(given.values()), **revenue}
