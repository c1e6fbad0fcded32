"""The RSGI application: events on the event loop, all other requests by the Flask application on threads.

RSGI is granian's own protocol; a request costs half as much as with ASGI.
"""

import asyncio
import logging
import select
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, TypeVar

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # Public, by its documentation.

from reference_server.addresses import address_of, client_address
from reference_server.ingest.endpoint import PATH, EventAnswer, EventRoute, refusal
from reference_server.runtime.body import Bodies, Incomplete
from reference_server.runtime.connections import Connections, Streams, peer_name
from reference_server.runtime.wsgi import Streamed, call, environ_of
from reference_server.web.live_stream import STREAM, LiveStream
from reference_server.web.watched import LEAVING

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

Result = TypeVar("Result")

_THREADS = 32
# Pages of customers need the tracker, and load balancers the health, while all threads wait for ClickHouse.
_OWN_THREADS = {"/tracker.js": 2, "/healthz": 2}
_QUICK_SECONDS = 0.1  # Few answers take longer, and only then it is worth noticing that a client leaves.
_FULL_SECONDS = 0.02  # Between two looks if a connection takes more data.
_RETRY_SECONDS = "30"
_LOG = logging.getLogger(__name__)


class Gateway:
    """The RSGI application of a worker."""

    def __init__(
        self,
        events: EventRoute,
        others: "WSGIApplication",
        bodies: Bodies,
        live: LiveStream,
        *,
        connections: Connections,
        streams: Streams,
        proxies: int,
    ) -> None:
        self._events = events
        self._others = others
        self._bodies = bodies
        self._live = live
        self._connections = connections
        self._streams = streams
        self._proxies = proxies
        self._threads = ThreadPoolExecutor(_THREADS, "flask")
        self._own_threads = {path: ThreadPoolExecutor(most, path) for path, most in _OWN_THREADS.items()}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start what must run before the first request."""
        self._connections.start(loop)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer a request."""
        peer = peer_name(*_peer(scope))
        try:
            body = await self._bodies.read(scope.headers, protocol)
        except Incomplete as error:
            if scope.path == PATH:
                self._events.incomplete()
            self._send(scope, protocol, refusal(408, str(error)), closes=True)
            return
        with self._connections.answering(peer), Client(protocol) as client:
            answer, site = await self._answer(scope, client, body)
            if isinstance(answer, Streamed):
                await self._send_parts(scope, protocol, client, answer)
            elif not site:
                self._send(scope, protocol, answer, closes=self._connections.closes(peer))
            else:
                await self._stream(site, scope, protocol, client, answer)

    async def _answer(self, scope: Any, client: "Client", body: bytes) -> tuple[EventAnswer | Streamed, str]:
        """Return the answer to a request, and the site whose live events follow it, or ""."""
        if scope.path == PATH:
            return await self._events.answer(scope.method, scope.headers, self._sender(scope), body), ""
        environ = environ_of(scope, body, _peer(scope)[0])
        leaving: list[Callable[[], None]] = []
        environ[LEAVING] = leaving
        threads = self._own_threads.get(scope.path, self._threads)
        answer = await self._unless_left(threads, client, leaving, call, self._others, environ)
        if isinstance(answer, Streamed):
            answer.leaving = leaving
            return answer, ""
        site = environ.get(STREAM, "") if scope.method == "GET" else ""
        if site and (refused := self._streams.refused(self._sender(scope))):
            status, reason = refused
            return refusal(status, reason, **{"Retry-After": _RETRY_SECONDS}), ""
        return answer, site

    @staticmethod
    async def _unless_left(
        threads: ThreadPoolExecutor,
        client: "Client",
        leaving: list[Callable[[], None]],
        work: Callable[..., Result],
        *given: Any,
    ) -> Result:
        """Return the result of work on a thread; call each of ``leaving`` if the client leaves meanwhile."""
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(threads, work, *given)
        done, _ = await asyncio.wait((working,), timeout=_QUICK_SECONDS)
        if not done:
            await asyncio.wait((working, client.left), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                for end in tuple(leaving):
                    await loop.run_in_executor(None, end)
        return await working

    async def _send_parts(self, scope: Any, protocol: Any, client: "Client", answer: Streamed) -> None:
        """Send a long answer part by part, each after the client has taken those before."""
        peer = peer_name(*_peer(scope))
        writable = Writable(self._connections.descriptor(peer))
        loop = asyncio.get_running_loop()
        with self._connections.streaming(peer):
            stream = protocol.response_stream(answer.status, answer.headers)
            try:
                while not client.left.done():
                    if not writable():
                        await asyncio.wait((client.left,), timeout=_FULL_SECONDS)
                    elif part := await self._unless_left(self._threads, client, answer.leaving, answer.part):
                        sending = asyncio.ensure_future(stream.send_bytes(part))
                        await asyncio.wait((sending, client.left), return_when=asyncio.FIRST_COMPLETED)
                        if not sending.done():
                            sending.cancel()
                            break
                        sending.result()
                    else:
                        break
            except ProtocolClosed:
                pass
            except Exception:
                _LOG.exception("an answer broke off")
                self._connections.break_off(peer)
            finally:
                for end in answer.leaving:
                    await loop.run_in_executor(None, end)
                await loop.run_in_executor(self._threads, answer.close)

    @staticmethod
    def _send(scope: Any, protocol: Any, answer: EventAnswer, *, closes: bool) -> None:
        headers = [*answer.headers, ("Connection", "close")] if closes else answer.headers
        if answer.body and scope.method != "HEAD":
            protocol.response_bytes(answer.status, headers, answer.body)
        else:
            protocol.response_empty(answer.status, headers)

    def _sender(self, scope: Any) -> str:
        """Return the address of the client, as seen by the first of our own proxies."""
        lines = scope.headers.get_all("x-forwarded-for") if self._proxies else ()
        return client_address(lines, _peer(scope)[0], self._proxies)

    async def _stream(
        self, site: str, scope: Any, protocol: Any, client: "Client", answer: EventAnswer
    ) -> None:
        """Send the events of a site as server-sent events until the client disconnects."""
        headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        peer = peer_name(*_peer(scope))
        writable = Writable(self._connections.descriptor(peer))
        with self._streams.opened(self._sender(scope)), self._connections.streaming(peer):
            stream = protocol.response_stream(answer.status, headers)
            sending = asyncio.create_task(self._send_events(site, stream, writable))
            try:
                await asyncio.wait((sending, client.left), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sending.cancel()
                [outcome] = await asyncio.gather(sending, return_exceptions=True)
            if isinstance(outcome, Exception):
                _LOG.error("a live stream broke off", exc_info=outcome)

    async def _send_events(self, site: str, stream: Any, writable: Callable[[], bool]) -> None:
        async with aclosing(self._live.listen(site)) as events:
            quiet = b"event: ready\ndata:\n\n"
            async for event in events:
                if event and not writable():
                    continue  # The client is too slow, and granian would buffer without limit.
                try:
                    await stream.send_bytes(b"data: " + event + b"\n\n" if event else quiet)
                except ProtocolClosed:
                    return
                quiet = b":\n\n"


class Writable:
    """Tells if a connection can take more data at once; True if its descriptor is unknown."""

    def __init__(self, descriptor: int | None) -> None:
        self._poll: select.poll | None = None
        if descriptor is not None:
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def __call__(self) -> bool:
        """Return the answer without waiting."""
        return not self._poll or bool(self._poll.poll(0))


class Client:
    """Tells if the client of a request has disconnected; granian tells it once, so only one may wait."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._waiting: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._waiting:
            self._waiting.cancel()

    @property
    def left(self) -> "asyncio.Task[None]":
        """The task that ends when the client has disconnected; never cancel it."""
        if not self._waiting:
            self._waiting = asyncio.create_task(self._wait())
        return self._waiting

    async def _wait(self) -> None:
        await self._protocol.client_disconnect()


def _peer(scope: Any) -> tuple[str, str]:
    """Return address and port of the connection's peer."""
    address, _, port = scope.client.rpartition(":")
    return address_of(address) or address, port
