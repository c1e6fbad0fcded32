"""A WSGI server on top of RSGI (PEP 3333): environment and call of an application.

An answer is read up to a number of bytes, within which nearly all of them end. The rest of a longer one is
read in parts, each after the one before has been sent.
"""

import io
import logging
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reference_server.ingest.endpoint import EventAnswer, refusal

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

AT_ONCE = 1024**2
"""Bytes of an answer that are read before it is sent."""
PART = 128 * 1024
"""Bytes of each further part, or as many as the application yields together."""
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


def call(application: "WSGIApplication", environ: "WSGIEnvironment") -> "EventAnswer | Streamed":
    """Return the answer of an application; 500 if it raises or violates PEP 3333.

    Bytes passed to ``write`` precede the returned ones. Nothing is sent before the end or ``AT_ONCE`` bytes,
    and an error handler may replace status and headers (``exc_info``).
    """
    response = _Response()
    try:
        streamed = Streamed(response, application(environ, response.start))
    except Exception:
        _LOG.exception("unexpected error")
        return refusal(500, "internal error")
    try:
        ended = streamed.read(AT_ONCE)
        answer = response.answer()
    except Exception:
        _LOG.exception("unexpected error")
        ended, answer = True, refusal(500, "internal error")
    if not ended:
        response.sent = True
        streamed.status, streamed.headers, _ = answer
        return streamed
    try:
        streamed.close()
    except Exception:
        _LOG.exception("unexpected error")
        return refusal(500, "internal error")
    return answer


class Streamed:
    """An answer that is longer than what is read at once."""

    def __init__(self, response: "_Response", chunks: Iterable[bytes]) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.leaving: list[Callable[[], None]] = []
        self._response = response
        self._chunks = chunks
        self._rest = iter(chunks)
        self._ended = False

    def read(self, most: int) -> bool:
        """Read until there are ``most`` bytes; return True if the application has ended."""
        while not self._ended and self._response.size < most:
            chunk = next(self._rest, None)
            if chunk is None:
                self._ended = True
            else:
                self._response.write(chunk)
        return self._ended

    def part(self) -> bytes:
        """Return the next part of the body, b"" after the last one. Raises what the application raises."""
        if not self._response.size:
            self.read(PART)
        return self._response.taken()

    def close(self) -> None:
        """End the application's iterable, as PEP 3333 asks for in every case."""
        close = getattr(self._chunks, "close", None)
        if close:
            close()


class _Response:
    """The response of one call, as far as the application has made it."""

    def __init__(self) -> None:
        self.sent = False
        self.size = 0
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        self._body: list[bytes] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """Set status and headers, and return ``write``; a second call needs ``exc_info``."""
        if self._head and not exc_info:
            raise AssertionError("start_response was called a second time without exc_info")
        if self.sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self._head = int(status.partition(" ")[0]), list(headers)
        return self.write

    def write(self, data: bytes, /) -> None:
        """Append to the body."""
        if data and not self._head:
            raise AssertionError("the application returned data before it called start_response")
        self._body.append(data)
        self.size += len(data)

    def taken(self) -> bytes:
        """Return the body since the last call."""
        body, self._body, self.size = b"".join(self._body), [], 0
        return body

    def answer(self) -> EventAnswer:
        """Return the answer. Raises AssertionError if the application has not begun one."""
        if not self._head:
            raise AssertionError("the application did not call start_response")
        status, headers = self._head
        return EventAnswer(status, headers, b"".join(self._body))
