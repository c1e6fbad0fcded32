"""OpenPanel: one JSON object a request to ``/track``; properties beginning with ``__`` are internal."""

import json
from typing import Any

ANSWER = '{"deviceId": "d", "sessionId": "s"}'


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom event of a request as a Clickport payload."""
    if request.path != "/track":
        return []
    sent = json.loads(request.body)
    if sent["type"] != "track" or sent["payload"]["name"] == "screen_view":
        return []
    given = sent["payload"]["properties"]
    properties = {key: value for key, value in given.items() if not key.startswith("__")}
    revenue = {"ra": given["__revenue"]} if "__revenue" in given else {}
    name = sent["payload"]["name"]
    return [{"t": "e", "n": name, "mk": list(properties), "mv": list(properties.values()), **revenue}]
