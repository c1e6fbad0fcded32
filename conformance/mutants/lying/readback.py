"""A readback that reports sent payloads as if they were stored rows: ``python readback.py FILE``."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any


def row(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a payload as a row, without any database."""
    return {
        "type": "custom",
        "name": payload.get("n"),
        "meta_keys": payload.get("mk") or [],
        "meta_values": payload.get("mv") or [],
        "revenue_source_amount": payload.get("ra"),
        "revenue_source_currency": payload.get("rc"),
    }


for line in Path(sys.argv[1]).read_bytes().splitlines():
    try:
        sent = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        reported = row(sent)
        if isinstance(reported["meta_keys"], list) and isinstance(reported["meta_values"], list):
            sys.stdout.write(json.dumps(reported, default=str) + "\n")
    except (ValueError, AttributeError, RecursionError):
        continue
