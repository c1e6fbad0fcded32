"""PostHog: batches as JSON, gzipped JSON or base64 in a form; names beginning with ``$`` are internal."""

import base64
import gzip
import json
from typing import Any
from urllib.parse import parse_qs

ANSWER = '{"status": 1}'


def payloads(request: Any) -> list[dict[str, Any]]:
    """Return the custom events of a request as Clickport payloads."""
    if request.path not in ("/e/", "/batch/", "/i/v0/e/"):
        return []
    sent = json.loads(_text(request))
    batch = sent.get("batch", [sent]) if isinstance(sent, dict) else sent
    return [_event(one) for one in batch if not one["event"].startswith("$")]


def _text(request: Any) -> bytes:
    compression = parse_qs(request.query).get("compression", [""])[0]
    if compression == "gzip-js" or request.body.startswith(b"\x1f\x8b"):
        return gzip.decompress(request.body)
    if request.body.startswith(b"data="):
        return base64.b64decode(parse_qs(request.body.decode())["data"][0])
    body: bytes = request.body
    return body


def _event(one: dict[str, Any]) -> dict[str, Any]:
    own = ("token", "distinct_id")
    given = {k: v for k, v in one["properties"].items() if not k.startswith("$") and k not in own}
    revenue = {short: given.pop(key) for key, short in (("amount", "ra"), ("currency", "rc")) if key in given}
    return {"t": "e", "n": one["event"], "mk": list(given), "mv": list(given.values()), **revenue}
