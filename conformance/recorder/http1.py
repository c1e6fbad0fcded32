"""HTTP/1.1 on a connection of the recorder, by h11."""

import asyncio
from contextlib import aclosing

import h11

from conformance.recorder.connection import ClientGone, HttpAnswer, Receiver, RequestHead, Transport
from conformance.recorder.exchange import Exchange


class Http1Connection:
    """A client connection: reads requests as exchanges, writes responses, and detects that the client leaves.

    It is the ``Requester`` of its current request.
    """

    def __init__(self, transport: Transport, receiver: Receiver) -> None:
        self._transport = transport
        self._receiver = receiver
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)

    async def serve(self) -> None:
        """Take one request after the other until the client has no more.

        Raises ClientGone, or h11.RemoteProtocolError for input that is not HTTP.
        """
        while self._http.our_state is h11.IDLE and (exchange := await self._next_exchange()):
            await self._receiver.handle(self, exchange)

    async def _next_exchange(self) -> Exchange | None:
        """Read a complete request; return None if the client has no more.

        Raises ClientGone if the client closes the connection within a request.
        """
        request = await self._event()
        if not isinstance(request, h11.Request):
            return None
        exchange = self._receiver.begin(
            RequestHead(
                method=request.method.decode("latin-1"),
                target=request.target.decode("latin-1"),
                headers=tuple(
                    (k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw_items()
                ),
                http=f"HTTP/{request.http_version.decode('latin-1')}",
                connection=self._transport.number,
            )
        )
        body = bytearray()
        try:
            while not isinstance(event := await self._body_event(), h11.EndOfMessage):
                body += event.data
        except (ClientGone, h11.RemoteProtocolError):
            exchange.body = bytes(body)
            await self._receiver.cut(exchange)
            raise
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
        if answer.tunnel:
            try:
                await self._send(h11.InformationalResponse(status_code=answer.status, headers=headers))
                await self._transport.carry(answer.tunnel, self._http.trailing_data[0])
            finally:
                answer.tunnel.close()
            return
        if answer.early:
            await self._send(h11.InformationalResponse(status_code=103, headers=[]))
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
                read = asyncio.ensure_future(self._transport.read())
                await asyncio.wait({release, read}, return_when=asyncio.FIRST_COMPLETED)
                read.cancel()
                await asyncio.wait({read})
                if not read.cancelled():
                    self._receive(read.result())
        finally:
            release.cancel()

    def reset(self) -> None:
        """Reset the connection (TCP RST), as if the server had crashed."""
        self._transport.reset()

    def _receive(self, data: bytes) -> None:
        if not data:
            raise ClientGone
        self._http.receive_data(data)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._transport.read())

    async def _send(self, event: h11.Event) -> None:
        await self._transport.write(self._http.send(event) or b"")
