"""HTTP/1.1 on a connection of the recorder, by h11."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

import h11

from conformance.recorder.exchange import Exchange

_connections = count(1)


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """A response to send; Content-Length is added, unless ``chunks`` yields the body piece by piece."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunks: AsyncGenerator[bytes] | None = None


class ClientGone(Exception):
    """A client that closed its connection."""


class Connection:
    """A client connection: reads requests as exchanges, writes responses, and detects that the client leaves.

    ``begin`` creates the exchange of a request from its head, the origin and the number of the connection.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        origin: str,
        begin: Callable[[h11.Request, str, int], Exchange],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._origin = origin
        self._begin = begin
        self._number = next(_connections)
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)

    async def next_exchange(self) -> Exchange | None:
        """Read a complete request; return None if the client has no more.

        Raises ClientGone if the client closes the connection within a request.
        """
        request = await self._event()
        if not isinstance(request, h11.Request):
            return None
        exchange = self._begin(request, self._origin, self._number)
        body = bytearray()
        try:
            while not isinstance(event := await self._body_event(), h11.EndOfMessage):
                body += event.data
        finally:
            exchange.body = bytes(body)
        return exchange

    async def _body_event(self) -> h11.Data | h11.EndOfMessage:
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        event = await self._event()
        if not isinstance(event, h11.Data | h11.EndOfMessage):
            raise ClientGone
        return event

    async def answer(self, answer: HttpAnswer) -> None:
        """Send a response and prepare for the next request. Raises ClientGone if the client has left."""
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers]
        if answer.chunks is None:
            headers.append((b"Content-Length", str(len(answer.body)).encode()))
        await self._send(h11.Response(status_code=answer.status, headers=headers))
        if answer.chunks is None:
            await self._send(h11.Data(data=answer.body))
        else:
            async with aclosing(answer.chunks) as chunks:
                async for chunk in chunks:
                    await self._send(h11.Data(data=chunk))
        await self._send(h11.EndOfMessage())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    async def hold(self, released: asyncio.Event) -> None:
        """Wait for ``released``. Raises ClientGone as soon as the client closes the connection."""
        release = asyncio.ensure_future(released.wait())
        try:
            while not release.done():
                read = asyncio.ensure_future(self._reader.read(4096))
                await asyncio.wait({release, read}, return_when=asyncio.FIRST_COMPLETED)
                read.cancel()
                await asyncio.wait({read})
                if not read.cancelled():
                    self._receive(read.result())
        except ConnectionError as error:
            raise ClientGone from error
        finally:
            release.cancel()

    def reset(self) -> None:
        """Reset the connection (TCP RST), as if the server had crashed."""
        socket = self._writer.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._writer.transport.abort()

    def _receive(self, data: bytes) -> None:
        if not data:
            raise ClientGone
        self._http.receive_data(data)

    @property
    def reusable(self) -> bool:
        """True if the connection can take another request."""
        return self._http.our_state is h11.IDLE

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            try:
                self._http.receive_data(await self._reader.read(65_536))
            except ConnectionError as error:
                raise ClientGone from error

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            try:
                self._writer.write(data)
                await self._writer.drain()
            except ConnectionError as error:
                raise ClientGone from error
