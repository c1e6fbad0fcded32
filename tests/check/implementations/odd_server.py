"""A conformant server with unusual choices where nothing is specified: ``python odd_server.py PORT FILE``.

It drops requests that no browser would send, answers a wrong method with an empty 405, and returns empty
revenue columns as the values of an empty FixedString(3) and an empty text column. It refuses U+0000, blank
keys and odd timestamps, merges equal keys, and drops __proto__.
"""

import sys
from http.server import ThreadingHTTPServer
from typing import Any

import server  # type: ignore[import-not-found]

_BOTS = ("python", "curl", "bot", "headless", "gevent", "httpx", "wrk")
_EVERY_BROWSER_SENDS = ("Accept", "Accept-Language", "Accept-Encoding", "Origin", "Sec-Fetch-Mode")
_row = server._row


class Handler(server.Handler):  # type: ignore[misc]
    """Stores events from browsers; acknowledges and drops all others."""

    def do_POST(self) -> None:
        """Store an event from a browser; acknowledge and drop anything else."""
        agent = self.headers.get("User-Agent", "")
        human = agent.startswith("Mozilla/5.0 (") and not any(word in agent.lower() for word in _BOTS)
        if human and all(name in self.headers for name in _EVERY_BROWSER_SENDS):
            super().do_POST()
            return
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer(202, "")

    def do_GET(self) -> None:
        """Answer with an empty 405."""
        self._answer(405, "")

    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET


def _padded(event: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = _row(event)
    keys, values = row["meta_keys"], row["meta_values"]
    if "\0" in f"{row}" or "\\x00" in f"{row}" or not isinstance(event.get("ts", 0), int | float):
        raise ValueError("U+0000, or a malformed timestamp")
    if any(isinstance(key, str) and not key.strip() for key in keys):
        raise ValueError("a blank key")
    if len(keys) == len(values) and all(isinstance(key, str) for key in keys):
        merged = {key: value for key, value in zip(keys, values, strict=True) if key != "__proto__"}
        row |= {"meta_keys": list(merged), "meta_values": list(merged.values())}
    if row["revenue_source_amount"] is None:
        row |= {"revenue_source_amount": "", "revenue_source_currency": "\0\0\0"}
    return row


if __name__ == "__main__":
    server._row = _padded
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
