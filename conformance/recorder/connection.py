"""A client connection of the recorder, apart from the framing of HTTP/1.1 and HTTP/2 on it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import count
from socket import SO_LINGER, SOL_SOCKET
from ssl import SSLError
from struct import pack
from typing import Protocol

from conformance.recorder.exchange import Exchange
from conformance.recorder.tunnel import Tunnel

_connections = count(1)


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """A response to send; Content-Length is added, unless ``chunks`` yields the body piece by piece.

    With ``early`` it follows an informational response, 103 (Early Hints). With ``tunnel`` the status is 101,
    and the connection is carried on to the site.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunks: AsyncGenerator[bytes] | None = None
    early: bool = False
    tunnel: Tunnel | None = None


@dataclass(frozen=True, kw_only=True)
class RequestHead:
    """The head of a request; ``http`` is the HTTP version, ``connection`` the number of its connection."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    http: str
    connection: int


class ClientGone(Exception):
    """A client that closed its connection, or cancelled its request."""


class Requester(Protocol):
    """The client that waits for the response to one request."""

    async def hold(self, released: asyncio.Event) -> None:
        """Wait for ``released``. Raises ClientGone as soon as the client leaves."""
        ...

    async def answer(self, answer: HttpAnswer) -> None:
        """Send a response. Raises ClientGone if the client has left."""
        ...

    def reset(self) -> None:
        """Reset the connection (TCP RST), as if the server had crashed."""
        ...


class Receiver(Protocol):
    """The consumer of the requests on a connection."""

    def begin(self, head: RequestHead) -> Exchange:
        """Return a new exchange for a request whose head has arrived."""
        ...

    async def handle(self, requester: Requester, exchange: Exchange) -> None:
        """Answer a request whose body has ended. Raises ClientGone."""
        ...

    async def cut(self, exchange: Exchange) -> None:
        """Take note that the client left before the body of its request had ended."""
        ...


class Transport:
    """The bytes of a connection, in the clear or within TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.number = next(_connections)

    @property
    def speaks_http2(self) -> bool:
        """True if the client agreed to HTTP/2 (ALPN)."""
        tls = self._writer.get_extra_info("ssl_object")
        return tls is not None and tls.selected_alpn_protocol() == "h2"

    async def read(self) -> bytes:
        """Return the next bytes, or b"" at the end of the connection. Raises ClientGone if it is reset."""
        try:
            return await self._reader.read(65_536)
        except (ConnectionError, SSLError) as error:
            raise ClientGone from error

    async def write(self, data: bytes) -> None:
        """Send bytes, if there are any. Raises ClientGone if the connection is reset."""
        if not data:
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (ConnectionError, SSLError) as error:
            raise ClientGone from error

    async def carry(self, tunnel: Tunnel, early: bytes) -> None:
        """Carry bytes between the client and a tunnel until either side ends."""
        await tunnel.carry(self._reader, self._writer, early)

    def reset(self) -> None:
        """Reset the connection (TCP RST), as if the server had crashed."""
        socket = self._writer.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._writer.transport.abort()
