"""Server for a WSGI application: ``python -m conformance.targets.wsgi package.module:app PORT``."""

import sys
from importlib import import_module
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer, make_server

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


def load(path: str) -> "WSGIApplication":
    """Import and return ``package.module:name``; if it ends in ``()``, call that factory.

    Raises SystemExit for an import path of another form.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise SystemExit(f"{path!r} is not an import path of an application: write package.module:app")
    found = getattr(import_module(module), name.removesuffix("()"))
    app: WSGIApplication = found() if name.endswith("()") else found
    return app


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    make_server("127.0.0.1", int(sys.argv[2]), load(sys.argv[1]), _ThreadingServer).serve_forever()
