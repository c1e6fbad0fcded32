"""A second server, on the standard library alone, that decides every open point unlike the reference.

``python server.py PORT FILE`` appends rows as JSON lines to FILE, which is also its readback. Objects become
JSON text, null becomes empty text, numeric text is an amount, currency codes are kept as sent, the limit of
values counts code points, sessions come from the client's address, and a page visit has the id that the
independent tracker sends.
"""

import json
import sys
import threading
from decimal import Context, Decimal, InvalidOperation
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

_LOCK = threading.Lock()
_MOST_BYTES = 4_000_000
_LARGEST = Decimal(10) ** 30
# The default context has 28 digits, fewer than the largest amount at four decimals.
_EXACT = Context(prec=40)


class Refused(Exception):
    """The body is not an event; the text gives the reason."""


def no_constant(name: str) -> NoReturn:
    """Raise Refused for NaN and Infinity."""
    raise Refused(f"{name} is not valid JSON")


def whole(text: str) -> str:
    """Return the text with each lone surrogate replaced by U+FFFD."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def plain(value: Any) -> str:
    """Return a value as text of at most 2,000 code points."""
    if value is None:
        return ""
    if isinstance(value, str):
        return whole(value)[:2000]
    if isinstance(value, Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return whole(json.dumps(value, default=str, ensure_ascii=False))[:2000]


def amount_of(value: Any) -> str | None:
    """Return the amount as decimal text, or None for anything that is not a number."""
    if isinstance(value, str):
        try:
            value = Decimal(value) if value.isascii() else None
        except InvalidOperation:
            return None
    if not isinstance(value, Decimal) or not value.is_finite() or value.copy_abs() > _LARGEST:
        return None
    return format(value.quantize(Decimal("0.0001"), context=_EXACT), "f")


def row_of(body: bytes, client: str) -> dict[str, Any] | None:
    """Return the row of a body, or None for another type than an event. Raises Refused."""
    try:
        sent = json.loads(
            body.decode("utf-8"), parse_float=Decimal, parse_int=Decimal, parse_constant=no_constant
        )
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise Refused(f"not JSON: {error}") from error
    if not isinstance(sent, dict) or not isinstance(sent.get("n"), str) or not sent["n"]:
        raise Refused("an event must be an object with a name")
    if sent.get("t") != "e":
        return None
    keys, values = (v if isinstance(v, list) else [] for v in (sent.get("mk"), sent.get("mv")))
    pairs = [(plain(key), plain(value)) for key, value in zip(keys, values, strict=False)][:30]
    amount = amount_of(sent.get("ra"))
    currency = sent.get("rc")
    return {
        "type": "custom",
        "name": whole(sent["n"]),
        "meta_keys": [key for key, _ in pairs],
        "meta_values": [value for _, value in pairs],
        "revenue_source_amount": amount,
        "revenue_source_currency": None if amount is None else whole(str(currency or "USD"))[:40],
        "session_id": client,
        "pageview_id": plain(sent.get("page")) or client,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or -1)
        if length < 0 and "Transfer-Encoding" in self.headers:
            return self._answer(411, b"Content-Length is required", close=True)
        if length > _MOST_BYTES:
            return self._answer(413, b"too large", close=True)
        body = self.rfile.read(max(length, 0))
        if len(body) < length:
            self.close_connection = True
            return None
        try:
            row = row_of(body, self.client_address[0])
        except Refused as error:
            return self._answer(400, str(error).encode())
        if row:
            with _LOCK, Path(sys.argv[2]).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return self._answer(200, b"ok")

    def do_OPTIONS(self) -> None:
        self._answer(200, b"")

    def _refuse(self) -> None:
        self._answer(405, b"post events here", close=True)

    do_GET = do_PUT = do_DELETE = do_PATCH = _refuse

    def _answer(self, status: int, text: bytes, *, close: bool = False) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.send_header("Access-Control-Allow-Headers", "Content-Type")
        self.send_header("Content-Length", str(len(text)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def serve() -> None:
    """Serve events on the port and write rows to the file, both from the command line."""
    Path(sys.argv[2]).touch()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    serve()
