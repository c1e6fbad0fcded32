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

import h11
import httpx

from conformance.recorder.connection import ClientGone, Connection, HttpAnswer
from conformance.recorder.exchange import Exchange
from conformance.recorder.mapping import MappingFault, PayloadMapping
from conformance.recorder.site_front import SiteFront, hosts_for
from conformance.recorder.wanted import EVENT_PATH, Search, Wanted

# Paths of the suite's own requests: negative controls, and pages that follow the one under test.
OWN_PATHS = ("/control/", "/next/")
_FOLLOWED = "followed"
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "transfer-encoding",
    "upgrade",
}
# Of a server's answer, which may come byte by byte, or never end.
_UPSTREAM_SECONDS, _LARGEST_ANSWER = 30.0, 10_000_000
_PAGE_HEADERS = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"))
_NEXT_PAGE = b"<!doctype html><meta charset=utf-8><title>next</title><p>The page that follows."


@dataclass
class Hold:
    """A rule that holds requests with ``token`` until ``released``, and then redirects them (307).

    Only a request that outlives its page follows the redirect. A preflight carries no token, so while a hold
    is active every preflight waits as well, and the request that it belongs to comes after the release.
    """

    token: bytes
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class ConnectionFault:
    """A rule that makes requests with a token fail.

    ``kind``: ``hang`` (no response until the fault ends), ``reset`` (the connection is reset once the request
    is complete), or a status such as ``500``. A redirect leads to a path of the recorder, so it is recorded.
    """

    kind: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class RecorderServer:
    """The exchanges and rules that all origins share; ``mapping`` reads the requests of a foreign tracker."""

    def __init__(self, mapping: PayloadMapping | None = None) -> None:
        self._mapping = mapping
        self._unmapped = ""
        self.exchanges: list[Exchange] = []
        self.mounts: dict[str, HttpAnswer] = {}
        self.upstream: httpx.URL | None = None
        self._hold: Hold | None = None
        self._faults: dict[bytes, ConnectionFault] = {}
        self._changed = asyncio.Condition()
        self._fronts: dict[str, SiteFront] = {}
        self._listeners: dict[str, asyncio.Server] = {}
        self._ids = count(1)
        self._http = httpx.AsyncClient(timeout=30, trust_env=False)

    @asynccontextmanager
    async def listen(self, origins: Iterable[str]) -> AsyncIterator[dict[str, str]]:
        """Listen on a port per host name; yield the origins by host name, such as ``http://localhost:4711``."""
        opened: dict[str, str] = {}
        servers = []
        for host in origins:
            server = await asyncio.start_server(partial(self._serve, host), "127.0.0.1", 0)
            servers.append(server)
            opened[host] = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield opened
        finally:
            for server in servers:
                server.close()
            await self._http.aclose()

    async def front(self, urls: Sequence[str]) -> list[str]:
        """Stand in for a site with these origins: keep its events, forward the rest; return own origins."""
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
            self._hold.released.set()

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
        """Wait until each token has its number of exchanges, up to ``seconds``; return those of each.

        ``answered`` is a condition as in ``Wanted``. Raises MappingFault as ``wait`` does.
        """
        searches = {
            token: Search(self.exchanges, Wanted(token=token, answered=answered)) for token in numbers
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

    def _begin(self, request: h11.Request, origin: str, connection: int) -> Exchange:
        target = request.target.decode("latin-1")
        exchange = Exchange(
            id=next(self._ids),
            origin=origin,
            connection=connection,
            method=request.method.decode("latin-1"),
            target=target,
            headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw_items()),
            started=time.time(),
            followed=target.endswith((f"?{_FOLLOWED}", f"&{_FOLLOWED}")),
        )
        self.exchanges.append(exchange)
        return exchange

    async def _serve(self, origin: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, origin=origin, begin=self._begin)
        try:
            while connection.reusable and (exchange := await connection.next_exchange()):
                await self._handle(connection, exchange)
        except (ClientGone, h11.RemoteProtocolError):
            pass  # The part that was received is on record, without a time of completion.
        except asyncio.CancelledError:
            pass  # The recorder stops; asyncio would report each open connection as an error.
        finally:
            writer.close()

    async def _handle(self, connection: Connection, exchange: Exchange) -> None:
        self._map(exchange)
        exchange.complete = time.time()
        await self._note()
        try:
            answer = (
                await self._failed(connection, exchange)
                or await self._held(connection, exchange)
                or await self._answer(exchange)
            )
            await connection.answer(answer)
        except ClientGone:
            exchange.gone = time.time()
            await self._note()
            raise
        exchange.answered, exchange.status = time.time(), answer.status
        await self._note()

    def _map(self, exchange: Exchange) -> None:
        """Read the events of a request by the payload module, unless it is a request of the suite."""
        own = exchange.path in self.mounts or exchange.path.startswith(OWN_PATHS)
        if self._mapping is None or own or exchange.method == "OPTIONS":
            return
        exchange.events = ()
        try:
            exchange.events = self._mapping.events(exchange)
        except MappingFault as fault:
            self._unmapped = str(fault)

    async def _failed(self, connection: Connection, exchange: Exchange) -> HttpAnswer | None:
        fault = next((f for token, f in self._faults.items() if exchange.carries(token)), None)
        if fault is None:
            return None
        if fault.kind == "hang":
            exchange.held = True
            await connection.hold(fault.ended)
            return None
        if fault.kind == "reset":
            connection.reset()
            raise ClientGone
        location = (("Location", f"/elsewhere{exchange.path}"),) if fault.kind.startswith("3") else ()
        return HttpAnswer(status=int(fault.kind), headers=(*_cors(exchange), *location))

    async def _held(self, connection: Connection, exchange: Exchange) -> HttpAnswer | None:
        hold = self._hold
        if hold is None or hold.released.is_set() or exchange.followed:
            return None
        preflight = exchange.method == "OPTIONS"
        if not preflight and (exchange.method == "GET" or not exchange.carries(hold.token)):
            return None
        exchange.held = True
        await connection.hold(hold.released)
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
        if self.upstream and exchange.path.endswith(EVENT_PATH):
            return await self._forward(self.upstream, exchange)
        status = 204 if exchange.method == "OPTIONS" else 202
        if exchange.method == "GET":
            status = 404
        if exchange.method == "POST" and exchange.events is not None and self._mapping:
            return _answer_of(self._mapping, exchange)
        return HttpAnswer(status=status, headers=_cors(exchange))

    async def _forward(self, upstream: httpx.URL, exchange: Exchange) -> HttpAnswer:
        headers = [(k, v) for k, v in exchange.headers if k.lower() not in _HOP_BY_HOP]
        request = self._http.build_request(exchange.method, upstream, headers=headers, content=exchange.body)
        try:
            async with asyncio.timeout(_UPSTREAM_SECONDS):
                response = await self._http.send(request, stream=True)
                body = await _beginning(response)
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, ValueError) as error:
            return HttpAnswer(status=502, headers=_cors(exchange), body=repr(error).encode())
        # The raw bytes: a header need not be ASCII, and httpx guesses its encoding.
        raw = ((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
        kept = ((k, v) for k, v in raw if k.lower() not in _HOP_BY_HOP)
        return HttpAnswer(status=response.status_code, headers=tuple(kept), body=body)


async def _beginning(response: httpx.Response) -> bytes:
    """Read so much of a server's answer as a page is handed; the rest is not waited for."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > _LARGEST_ANSWER:
            await response.aclose()
            break
    return b"".join(parts)


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
