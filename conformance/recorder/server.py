"""The server in the recorder process: records each request, then answers it.

A request is answered by a fault or a hold that applies to it, else by a mounted page, the upstream server or
a default response.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import h11

from conformance.recorder.certificate import server_context
from conformance.recorder.connection import ClientGone, HttpAnswer, Requester, RequestHead, Transport
from conformance.recorder.exchange import Exchange
from conformance.recorder.faults import ConnectionFault
from conformance.recorder.http1 import Http1Connection
from conformance.recorder.mapping import MappingFault, PayloadMapping
from conformance.recorder.wanted import EVENT_PATH, Search, Wanted

if TYPE_CHECKING:
    from conformance.recorder.http2 import Http2Connection
    from conformance.recorder.site_front import SiteFront
    from conformance.recorder.upstream import Upstream

# Paths of the suite's own requests: negative controls, and pages that follow the one under test.
OWN_PATHS = ("/control/", "/next/")
PLAIN = "plain"
# Chromium asks for it by itself if a page has none.
_ICON = "/favicon.ico"
_FOLLOWED = "followed"
# The addresses at which the recorder listens, by the host in its origins.
_ADDRESSES = {"[::1]": "::1"}
_PAGE_HEADERS = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"))
# The page takes part in a view transition, and records it.
_NEXT_PAGE = (
    b"<!doctype html><meta charset=utf-8><title>next</title>"
    b"<style>@view-transition { navigation: auto }</style>"
    b"<script>addEventListener('pagereveal', (e) => { transition = Boolean(e.viewTransition) })</script>"
    b"<p>The page that follows."
)


@dataclass
class Hold:
    """A rule that holds requests with ``token`` until ``released``, and then redirects them (307).

    The suite's own requests, the negative controls, can be released before the others (``own_released``).
    Only a request that outlives its page follows the redirect. A preflight carries no token, so while a hold
    is active every preflight waits as well, and the request that it belongs to comes after the release.
    """

    token: bytes
    released: asyncio.Event = field(default_factory=asyncio.Event)
    own_released: asyncio.Event = field(default_factory=asyncio.Event)


class RecorderServer:
    """The exchanges and rules that all origins share; ``mapping`` reads the requests of a foreign tracker.

    ``protocol`` is one of ``PROTOCOLS``, ``certificate`` the file of the key and certificate for TLS.
    """

    def __init__(
        self, mapping: PayloadMapping | None = None, *, protocol: str = "http1", certificate: str = ""
    ) -> None:
        self._mapping = mapping
        self._tls = server_context(protocol, certificate)
        self._unmapped = ""
        self.exchanges: list[Exchange] = []
        self.mounts: dict[str, HttpAnswer] = {}
        self._upstream: Upstream | None = None
        self._hold: Hold | None = None
        self._faults: dict[bytes, ConnectionFault] = {}
        self._changed = asyncio.Condition()
        self._fronts: dict[str, SiteFront] = {}
        self._listeners: dict[str, asyncio.Server] = {}
        self._ids = count(1)

    @asynccontextmanager
    async def listen(self, origins: Iterable[str]) -> AsyncIterator[dict[str, str]]:
        """Listen on a port per host name; yield the origins by host name, such as ``http://localhost:4711``.

        ``[::1]`` is left out if this machine has no IPv6. ``PLAIN`` is an origin without TLS in any case.
        """
        opened: dict[str, str] = {}
        servers = []
        for host in origins:
            address = _ADDRESSES.get(host, "127.0.0.1")
            try:
                server = await asyncio.start_server(partial(self._serve, host), address, 0, ssl=self._tls)
            except OSError:
                if host in _ADDRESSES:
                    continue
                raise
            servers.append(server)
            scheme = "https" if self._tls else "http"
            opened[host] = f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}"
        server = await asyncio.start_server(partial(self._serve, PLAIN), "127.0.0.1", 0)
        servers.append(server)
        opened[PLAIN] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield opened
        finally:
            for server in servers:
                server.close()
            await self.forward(None)

    async def forward(self, url: str | None) -> None:
        """Forward requests for the event endpoint to ``url``; None ends forwarding."""
        if self._upstream:
            await self._upstream.close()
        self._upstream = None
        if url:
            from conformance.recorder.upstream import Upstream  # noqa: PLC0415 - httpx takes 0.1 s to load

            self._upstream = Upstream(url)

    async def front(self, urls: Sequence[str]) -> list[str]:
        """Stand in for a site with these origins: keep its events, forward the rest; return own origins."""
        from conformance.recorder.site_front import SiteFront, hosts_for  # noqa: PLC0415 - as for Upstream

        origins: dict[str, str] = {}
        for url, host in zip(urls, hosts_for(urls), strict=True):
            # The name of the origin is known once there is a port.
            origin: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            server = await asyncio.start_server(partial(self._serve_front, origin), "127.0.0.1", 0)
            origin.set_result(f"http://{host}:{server.sockets[0].getsockname()[1]}")
            self._listeners[origin.result()] = server
            origins[origin.result()] = url
        front = SiteFront.of(origins)
        self._fronts.update(dict.fromkeys(origins, front))
        return list(origins)

    async def end_front(self, origins: Iterable[str]) -> None:
        """Stop standing in at these origins, and delete what was recorded there."""
        ended = set(origins)
        for origin in ended:
            self._listeners.pop(origin).close()
            await self._fronts.pop(origin).close()
        self.exchanges = [e for e in self.exchanges if e.origin not in ended]

    async def _serve_front(
        self, origin: "asyncio.Future[str]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._serve(await origin, reader, writer)

    def hold(self, token: bytes) -> None:
        """Hold back the responses to requests that carry ``token``. An earlier hold ends."""
        self.release()
        self._hold = Hold(token)

    def release(self) -> None:
        """Answer the requests that are held back."""
        if self._hold:
            self._hold.own_released.set()
            self._hold.released.set()

    def release_controls(self) -> None:
        """Answer the suite's own requests that are held back, and go on holding the others."""
        if self._hold:
            self._hold.own_released.set()

    def end_hold(self) -> None:
        """Answer the requests that are held back, and stop holding."""
        self.release()
        self._hold = None

    def fault(self, token: bytes, kind: str) -> None:
        """Fail further requests that carry ``token`` (see ``ConnectionFault``)."""
        self._faults[token] = ConnectionFault(kind)

    def end_faults(self) -> None:
        """End all faults; requests that hang are answered."""
        for fault in self._faults.values():
            fault.ended.set()
        self._faults.clear()

    def forget(self) -> None:
        """Delete the exchanges that have ended and keep those in progress."""
        self.exchanges = [e for e in self.exchanges if e.answered is None and e.gone is None]

    async def wait(self, wanted: Wanted, number: int, seconds: float) -> list[Exchange]:
        """Wait for ``number`` exchanges that meet the conditions, up to ``seconds``; return those that do.

        A request counts once per event in it. Raises MappingFault if the payload module failed on any
        request.
        """

        search = Search(self.exchanges, wanted)
        await self._until(lambda: len(search.found()) >= number, seconds)
        return search.found()

    async def wait_each(
        self, numbers: Mapping[bytes, int], seconds: float, *, answered: bool | None = None
    ) -> dict[bytes, list[Exchange]]:
        """Wait until each token has its number of requests that were sent, up to ``seconds``; return those.

        ``sent`` and ``answered`` are as in ``Wanted``. Raises MappingFault as ``wait`` does.
        """
        searches = {
            token: Search(self.exchanges, Wanted(token=token, answered=answered, sent=True))
            for token in numbers
        }
        awaited = [(search, numbers[token]) for token, search in searches.items() if numbers[token]]
        await self._until(lambda: all(len(search.found()) >= number for search, number in awaited), seconds)
        return {token: search.found() for token, search in searches.items()}

    async def _until(self, enough: Callable[[], bool], seconds: float) -> None:
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: bool(self._unmapped) or enough())
            except TimeoutError:
                pass
        if self._unmapped:
            raise MappingFault(self._unmapped)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def begin(self, head: RequestHead, origin: str) -> Exchange:
        """Return the exchange of a request whose head has arrived at an origin, and keep it."""
        exchange = Exchange(
            id=next(self._ids),
            origin=origin,
            connection=head.connection,
            method=head.method,
            target=head.target,
            headers=head.headers,
            http=head.http,
            started=time.time(),
            followed=head.target.endswith((f"?{_FOLLOWED}", f"&{_FOLLOWED}")),
        )
        self.exchanges.append(exchange)
        return exchange

    async def _serve(self, origin: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport, receiver = Transport(reader, writer), _OriginReceiver(self, origin)
        connection = _connection(transport, receiver)
        try:
            await connection.serve()
        except (ClientGone, h11.RemoteProtocolError):
            pass  # The part that was received is on record, without a time of completion.
        except asyncio.CancelledError:
            pass  # The recorder stops; asyncio would report each open connection as an error.
        finally:
            writer.close()

    async def cut(self, exchange: Exchange) -> None:
        """Record that the client left before the body of its request had ended."""
        exchange.gone = time.time()
        await self._note()

    async def handle(self, requester: Requester, exchange: Exchange) -> None:
        """Record that a request is complete, and answer it. Raises ClientGone."""
        self._map(exchange)
        exchange.complete = time.time()
        await self._note()
        try:
            answer = (
                await self._failed(requester, exchange)
                or await self._held(requester, exchange)
                or await self._answer(exchange)
            )
            await requester.answer(answer)
        except ClientGone:
            exchange.gone = time.time()
            await self._note()
            raise
        exchange.answered, exchange.status = time.time(), answer.status
        await self._note()

    def _map(self, exchange: Exchange) -> None:
        """Read the events of a request by the payload module, unless the suite or the browser makes it."""
        own = exchange.path in self.mounts or exchange.path.startswith((*OWN_PATHS, _ICON))
        if self._mapping is None or own or exchange.method == "OPTIONS":
            return
        exchange.events = ()
        try:
            exchange.events = self._mapping.events(exchange)
        except MappingFault as fault:
            self._unmapped = str(fault)

    async def _failed(self, requester: Requester, exchange: Exchange) -> HttpAnswer | None:
        fault = next((f for token, f in self._faults.items() if exchange.carries(token)), None)
        return await fault.answer(requester, exchange, _cors(exchange), self._note) if fault else None

    async def _held(self, requester: Requester, exchange: Exchange) -> HttpAnswer | None:
        hold = self._hold
        if hold is None or hold.released.is_set() or exchange.followed:
            return None
        preflight = exchange.method == "OPTIONS"
        if not preflight and (exchange.method == "GET" or not exchange.carries(hold.token)):
            return None
        exchange.held = True
        own = exchange.path.startswith(OWN_PATHS)
        await requester.hold(hold.own_released if own else hold.released)
        if preflight:
            return None
        location = f"{exchange.target}{'&' if '?' in exchange.target else '?'}{_FOLLOWED}"
        return HttpAnswer(status=307, headers=(*_cors(exchange), ("Location", location)))

    async def _answer(self, exchange: Exchange) -> HttpAnswer:
        front = self._fronts.get(exchange.origin)
        if front and not (exchange.path.endswith(EVENT_PATH) and exchange.method in ("POST", "OPTIONS")):
            return await front.forward(exchange)
        if exchange.method == "GET" and (mounted := self.mounts.get(exchange.path)):
            return mounted
        if exchange.method == "GET" and exchange.path.startswith("/next/"):
            return HttpAnswer(status=200, headers=_PAGE_HEADERS, body=_NEXT_PAGE)
        if exchange.method == "POST" and (exchange.path.startswith("/next/") or exchange.path in self.mounts):
            return HttpAnswer(status=303, headers=(("Location", exchange.path),))
        if self._upstream and exchange.path.endswith(EVENT_PATH):
            return await self._upstream.forward(exchange, _cors(exchange))
        status = 204 if exchange.method == "OPTIONS" else 202
        if exchange.method == "GET":
            status = 404
        if exchange.method == "POST" and exchange.events is not None and self._mapping:
            return _answer_of(self._mapping, exchange)
        return HttpAnswer(status=status, headers=_cors(exchange))


@dataclass(frozen=True)
class _OriginReceiver:
    """The consumer of the requests that come to one origin."""

    server: RecorderServer
    origin: str

    def begin(self, head: RequestHead) -> Exchange:
        return self.server.begin(head, self.origin)

    async def handle(self, requester: Requester, exchange: Exchange) -> None:
        await self.server.handle(requester, exchange)

    async def cut(self, exchange: Exchange) -> None:
        await self.server.cut(exchange)


def _connection(transport: Transport, receiver: _OriginReceiver) -> "Http1Connection | Http2Connection":
    """Return the connection in the protocol that the client has chosen."""
    if transport.speaks_http2:
        from conformance.recorder.http2 import Http2Connection  # noqa: PLC0415 - few runs use it

        return Http2Connection(transport, receiver)
    return Http1Connection(transport, receiver)


def _answer_of(mapping: PayloadMapping, exchange: Exchange) -> HttpAnswer:
    """Return the response to a foreign tracker; some accept only a 200 with a certain body as success."""
    if mapping.answer is None:
        return HttpAnswer(status=202, headers=_cors(exchange))
    type_ = ("Content-Type", "application/json")
    return HttpAnswer(status=200, headers=(*_cors(exchange), type_), body=mapping.answer.encode())


def _cors(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    """Return CORS headers that allow every request, so that each is recorded; preflights are not cached."""
    origin = exchange.header("Origin")
    if origin is None:
        return ()
    asked = exchange.header("Access-Control-Request-Headers")
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Max-Age", "0"),
        ("Access-Control-Allow-Methods", "POST"),
        *((("Access-Control-Allow-Headers", asked),) if asked else ()),
    )
