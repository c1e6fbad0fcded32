"""HTTP/2 on a connection of the recorder, by h2: a stream for each request."""

import asyncio
from contextlib import aclosing

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from conformance.recorder.connection import ClientGone, HttpAnswer, Receiver, RequestHead, Transport
from conformance.recorder.exchange import Exchange

# So large that no event of the protocol waits for a window.
_WINDOW = 1 << 20
_NO_BODY = (204, 304)
# Headers that HTTP/2 forbids (RFC 9113, section 8.2.2); the server behind the recorder may send them.
_OF_CONNECTIONS = ("connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade")


class Http2Connection:
    """A client connection with its streams; the requests of one connection are handled side by side."""

    def __init__(self, transport: Transport, receiver: Receiver) -> None:
        self.transport = transport
        self._receiver = receiver
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self._streams: dict[int, Http2Stream] = {}

    async def serve(self) -> None:
        """Take requests until the client closes the connection or breaks the protocol. Raises ClientGone."""
        self.http.initiate_connection()
        self.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
        self.http.increment_flow_control_window(_WINDOW)
        await self.flush()
        async with asyncio.TaskGroup() as handlers:
            try:
                while data := await self.transport.read():
                    for event in self.http.receive_data(data):
                        await self._take(event, handlers)
                    await self.flush()
            except (ClientGone, ProtocolError):
                pass  # The streams that are open are recorded as left.
            finally:
                for stream in self._streams.values():
                    await self._leave(stream)

    async def flush(self) -> None:
        """Send what the framing has ready."""
        await self.transport.write(self.http.data_to_send())

    async def _take(self, event: Event, handlers: asyncio.TaskGroup) -> None:
        match event:
            case RequestReceived(stream_id=int(id_)):
                exchange = self._receiver.begin(self._head(event))
                self._streams[id_] = Http2Stream(self, id_, exchange)
            case DataReceived(stream_id=int(id_), flow_controlled_length=int(length)):
                self._streams[id_].body += event.data or b""
                self.http.acknowledge_received_data(length, id_)
            case StreamEnded(stream_id=int(id_)):
                stream = self._streams[id_]
                stream.ended = True
                stream.exchange.body = bytes(stream.body)
                handlers.create_task(self._handle(stream))
            case StreamReset(stream_id=int(id_)) if id_ in self._streams:
                stream = self._streams[id_]
                stream.exchange.reset = _name(event.error_code)
                await self._leave(stream)
            case ConnectionTerminated():
                for stream in self._streams.values():
                    stream.exchange.goaway = _name(event.error_code)
            case WindowUpdated():
                for stream in self._streams.values():
                    stream.room.set()

    def _head(self, event: RequestReceived) -> RequestHead:
        headers = tuple((str(name), str(value)) for name, value in event.headers)
        pseudo = {name: value for name, value in headers if name.startswith(":")}
        host = ((("host", pseudo[":authority"]),)) if ":authority" in pseudo else ()
        return RequestHead(
            method=pseudo[":method"],
            target=pseudo.get(":path", ""),
            headers=(*host, *((name, value) for name, value in headers if not name.startswith(":"))),
            http="HTTP/2",
            connection=self.transport.number,
        )

    async def _handle(self, stream: "Http2Stream") -> None:
        try:
            await self._receiver.handle(stream, stream.exchange)
        except ClientGone:
            pass  # The request is on record.
        finally:
            self._streams.pop(stream.id, None)

    async def _leave(self, stream: "Http2Stream") -> None:
        """Let the handler of a stream know that the client has left; record it if there is no handler."""
        if not stream.ended and not stream.left.is_set():
            stream.exchange.body = bytes(stream.body)
            await self._receiver.cut(stream.exchange)
        stream.left.set()
        stream.room.set()


class Http2Stream:
    """The ``Requester`` of one request. ``left`` is set once the client has cancelled it, or is gone.

    ``ended``: its body has arrived whole; ``room``: there may be room in the client's flow control window.
    """

    def __init__(self, connection: Http2Connection, id_: int, exchange: Exchange) -> None:
        self._connection = connection
        self._http = connection.http
        self.id = id_
        self.exchange = exchange
        self.body = bytearray()
        self.ended = False
        self.left = asyncio.Event()
        self.room = asyncio.Event()

    async def hold(self, released: asyncio.Event) -> None:
        """Wait for ``released``. Raises ClientGone as soon as the client leaves."""
        waits = {asyncio.ensure_future(event.wait()) for event in (released, self.left)}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._require_client()

    async def answer(self, answer: HttpAnswer) -> None:
        """Send a response. Raises ClientGone if the client has left."""
        self._require_client()
        try:
            if answer.early:
                self._http.send_headers(self.id, [(":status", "103")])
            await self._answer(answer)
        except ProtocolError as error:  # The stream or the connection ended meanwhile.
            raise ClientGone from error

    async def _answer(self, answer: HttpAnswer) -> None:
        sent = ((name.lower(), value) for name, value in answer.headers)
        headers = [(":status", str(answer.status)), *(h for h in sent if h[0] not in _OF_CONNECTIONS)]
        empty = answer.status in _NO_BODY or self.exchange.method == "HEAD"
        if answer.chunks is None and answer.status not in _NO_BODY:
            headers.append(("content-length", str(len(answer.body))))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._http.send_headers(self.id, encoded, end_stream=empty)
        if not empty and answer.chunks is None:
            await self._send(answer.body)
        elif not empty and answer.chunks is not None:
            async with aclosing(answer.chunks) as chunks:
                async for chunk in chunks:
                    await self._send(chunk)
        if not empty:
            self._http.end_stream(self.id)
        await self._connection.flush()

    async def _send(self, data: bytes) -> None:
        """Send a part of the body, as the client's flow control window allows."""
        while data:
            self._require_client()
            size = min(self._http.local_flow_control_window(self.id), self._http.max_outbound_frame_size)
            if size > 0:
                self._http.send_data(self.id, data[:size])
                data = data[size:]
                await self._connection.flush()
            else:
                self.room.clear()
                await self.room.wait()

    def reset(self) -> None:
        """Reset the connection (TCP RST), as if the server had crashed."""
        self._connection.transport.reset()

    def _require_client(self) -> None:
        if self.left.is_set():
            raise ClientGone


def _name(code: int | ErrorCodes | None) -> str:
    """Return the name of an error code of RFC 9113, section 7, such as ``CANCEL``; else its number."""
    return code.name if isinstance(code, ErrorCodes) else str(code)
