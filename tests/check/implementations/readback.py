"""A readback that tells nonsense: ``python readback.py FILE KIND``; the rows of FILE are bent, or ignored."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_out = sys.stdout.write
_TYPES: dict[str, Any] = {"type": None, "meta_keys": [1, None, ["a"]], "meta_values": [{"a": 1}, 2.5, None]}


def _bent(**columns: Any) -> None:
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        _out(json.dumps({**json.loads(line), **columns}) + "\n")


def _ill_formed() -> None:
    text = Path(sys.argv[1]).read_bytes()
    sys.stdout.buffer.write(text.replace(b'"name": "', b'"name": "\xff\xed\xa0\x80'))


def _without_names() -> None:
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        _out(json.dumps({**row, "name": 5, "meta_keys": ["n"], "meta_values": [row["name"]]}) + "\n")


def _endless() -> None:
    while True:
        _out("y" * 1000 + "\n")


KINDS: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "binary": lambda: sys.stdout.buffer.write(bytes(range(256)) * 100),
    "never ends": lambda: time.sleep(1000),
    "endless": _endless,
    "brackets": lambda: _out("[" * 100_000),
    "an empty object": lambda: _out("{}"),
    "NaN": lambda: _bent(revenue_source_amount=float("nan")),
    "signalling NaN": lambda: _bent(revenue_source_amount="sNaN"),
    "a huge exponent": lambda: _bent(revenue_source_amount="1e999999999"),
    "a huge integer": lambda: _bent(revenue_source_amount=10**4000),
    "wrong types": lambda: _bent(revenue_source_currency=["EUR"], session_id={}, pageview_id=[], **_TYPES),
    "amounts are objects": lambda: _bent(revenue_source_amount={"value": 5}, revenue_source_currency=True),
    "ill-formed text": _ill_formed,
    "names are numbers": _without_names,
}

if __name__ == "__main__":
    KINDS[sys.argv[2]]()
