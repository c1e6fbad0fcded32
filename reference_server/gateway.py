"""What the web server calls: events on the event loop, everything else by the Flask application on threads.

RSGI is granian's own protocol: a request costs it half of what ASGI does.
"""

import asyncio
import io
import logging
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reference_server.body import Bodies, Incomplete
from reference_server.events import PATH, Answer, EventRoute, refusal
from reference_server.feed import STREAM, Feed

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

_THREADS = 32
_LOG = logging.getLogger(__name__)


class Gateway:
    """An RSGI application."""

    def __init__(
        self, events: EventRoute, others: "WSGIApplication", bodies: Bodies, feed: Feed, *, proxies: int
    ) -> None:
        self._events = events
        self._others = others
        self._bodies = bodies
        self._feed = feed
        self._proxies = proxies
        self._threads = ThreadPoolExecutor(_THREADS, "flask")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer a request."""
        headers = scope.headers
        try:
            body = await self._bodies.read(headers, protocol)
        except Incomplete as error:
            self._events.incomplete()
            answer = refusal(408, str(error), Connection="close")
        else:
            if scope.path == PATH:
                answer = await self._events.answer(scope.method, headers, self._sender(scope), body)
            else:
                environ = _environ(scope, headers, body)
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._threads, _ask, self._others, environ)
                if site := environ.get(STREAM):
                    await self._stream(site, protocol, answer)
                    return
        if answer.body and scope.method != "HEAD":
            protocol.response_bytes(answer.status, answer.headers, answer.body)
        else:
            protocol.response_empty(answer.status, answer.headers)

    def _sender(self, scope: Any) -> str:
        """The address of the sender, as the first of our own proxies saw it."""
        address = client_of(scope)
        if not self._proxies:
            return address
        seen = [*scope.headers.get("x-forwarded-for", "").split(","), address]
        return str(seen[max(-1 - self._proxies, -len(seen))]).strip() or address

    async def _stream(self, site: str, protocol: Any, answer: Answer) -> None:
        """Send the events of a site as they come, as server-sent events, until the reader goes."""
        headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        stream = protocol.response_stream(answer.status, headers)
        async with aclosing(self._feed.listen(site)) as events:
            quiet = b"event: ready\ndata:\n\n"
            async for event in events:
                try:
                    await stream.send_bytes(b"data: " + event + b"\n\n" if event else quiet)
                except Exception:  # granian tells in its own ways that nobody reads any more.
                    return
                quiet = b":\n\n"


def client_of(scope: Any) -> str:
    """The address of the sender, without its port."""
    address: str = scope.client.rpartition(":")[0]
    return address.strip("[]")


def _environ(scope: Any, headers: Any, body: bytes) -> "WSGIEnvironment":
    """The request as PEP 3333 has it.

    Its Content-Length is that of the bytes that are there: one who announced another, or none, is no matter
    of the application.
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
        "REMOTE_ADDR": client_of(scope),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = f"HTTP_{name.upper().replace('-', '_')}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _ask(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    """The answer of a WSGI application, read to its end."""
    began: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        began[:] = [int(status.partition(" ")[0]), headers]
        return None

    try:
        chunks: Iterable[bytes] = application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()
    except Exception:
        _LOG.exception("unexpected error")
        return refusal(500, "internal error")
    return Answer(status=began[0], headers=began[1], body=body)
