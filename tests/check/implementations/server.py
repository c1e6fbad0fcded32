"""A small server for ``tests/check``, which put faults into it: ``python server.py PORT FILE``."""

import json
import struct
import sys
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

_FILE = Path(sys.argv[2])
_LOCK = Lock()
_SEEN: set[bytes] = set()
_DOCUMENTED = {"t", "n", "mk", "mv", "ra", "rc"}


class Handler(BaseHTTPRequestHandler):
    """Appends each posted event to the file as a line of JSON."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Store an event, or refuse the body with the reason."""
        length = self.headers["Content-Length"]
        if not length:
            self.close_connection = True
            self._answer(411, "a Content-Length is needed")
            return
        body = self.rfile.read(int(length))
        try:
            event = json.loads(body, parse_float=Decimal)
            row = _row(event)
        except Exception as error:  # Any error is reported to the sender; the server goes on.
            self._answer(400, f"no event: {error!r}"[:200])
            return
        with _LOCK, _FILE.open("a", encoding="utf-8") as file:
            _SEEN.add(body)
            file.write(json.dumps(row) + "\n")
        self._answer(202, "")

    def do_OPTIONS(self) -> None:
        """Allow pages of every origin to post."""
        self._answer(200, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(text.encode("ascii", "replace"))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _row(event: dict[str, Any]) -> dict[str, Any]:
    if event["t"] != "e" or not isinstance(event["n"], str) or not event["n"]:
        raise ValueError("t is not 'e', or n no name")
    keys, values = _list(event.get("mk")), _list(event.get("mv"))
    amount = _number(event.get("ra"))
    return {
        "type": "custom",
        "name": event["n"],
        "meta_keys": keys[:30],
        "meta_values": [_text(value)[:2000] for value in values[:30]],
        "revenue_source_amount": None if amount is None else _exact(amount),
        "revenue_source_currency": None if amount is None else event.get("rc", "USD"),
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> Decimal | int | None:
    return value if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value, default=str)


def _exact(amount: Decimal | int) -> str:
    return format(Decimal(amount), "f")


def _single(amount: Decimal | int) -> str:
    """Return an amount as a column of single precision keeps it; tests replace ``_exact`` by this."""
    return str(struct.unpack("f", struct.pack("f", float(amount)))[0])


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
