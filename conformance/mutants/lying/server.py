"""A server that keeps raw bodies, which its readback reports as rows: ``python server.py PORT FILE``."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _keep(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with Path(sys.argv[2]).open("ab") as file:
            file.write(body.replace(b"\n", b" ") + b"\n")
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _keep

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


Path(sys.argv[2]).touch()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
