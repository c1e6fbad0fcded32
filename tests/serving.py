"""A WSGI application served by a thread of the test."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import make_server


@contextmanager
def serving(app: Any, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve an application on a free port; yield the origin."""
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
