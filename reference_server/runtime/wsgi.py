"""A WSGI server on top of RSGI (PEP 3333): environment and call of an application, read to its end."""

import io
import logging
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reference_server.ingest.endpoint import EventAnswer, refusal

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

_LOG = logging.getLogger(__name__)


def environ_of(scope: Any, body: bytes, peer: str) -> "WSGIEnvironment":
    """Return the WSGI environment of an RSGI request whose body has been read.

    The declared length is ignored; the body that arrived counts. The lines of a repeated header are joined to
    one list (RFC 9110, 5.3). Headers with an underscore in their name are dropped: they would be mistaken for
    those with a hyphen, such as ``X-Forwarded-For``, which a proxy sets.
    """
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": quote(scope.query_string, safe="%&=+?/:;,@!$'()*-._~[]"),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = f"HTTP_{name.upper().replace('-', '_')}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def call(application: "WSGIApplication", environ: "WSGIEnvironment") -> EventAnswer:
    """Return the complete answer of an application; 500 if it raises or violates PEP 3333.

    What it passes to ``write`` comes before what it returns. As nothing is sent before the end, an error
    handler may always replace status and headers (``exc_info``).
    """
    response = _Response()
    try:
        chunks: Iterable[bytes] = application(environ, response.start)
        try:
            for chunk in chunks:
                response.write(chunk)
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()
        return response.answer()
    except Exception:
        _LOG.exception("unexpected error")
        return refusal(500, "internal error")


class _Response:
    """The response of one call, as far as the application has made it."""

    def __init__(self) -> None:
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        self._body: list[bytes] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """Set status and headers, and return ``write``; a second call needs ``exc_info``."""
        if self._head and not exc_info:
            raise AssertionError("start_response was called a second time without exc_info")
        self._head = int(status.partition(" ")[0]), list(headers)
        return self.write

    def write(self, data: bytes, /) -> None:
        """Append to the body."""
        if data and not self._head:
            raise AssertionError("the application returned data before it called start_response")
        self._body.append(data)

    def answer(self) -> EventAnswer:
        """Return the answer. Raises AssertionError if the application has not begun one."""
        if not self._head:
            raise AssertionError("the application did not call start_response")
        status, headers = self._head
        return EventAnswer(status, headers, b"".join(self._body))
