"""A server that accepts everything, stores nothing and has an empty dashboard: ``python server.py PORT``."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LISTS = ("events", "properties", "values", "goals", "kpis", "names", "advice")
_EMPTY = {**{name: [] for name in _LISTS}, "pageviews": 0, "custom_events": 0, "total": 0}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _accept(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = self.command == "GET" and self.path.startswith("/api/sites/")
        body = json.dumps(_EMPTY).encode() if asked else b""
        self.send_response(200 if asked else 202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _accept

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
