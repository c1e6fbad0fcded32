"""Reading request bodies: all of them, within a size and a time, before a thread is spent on the request.

A client that announces more bytes than it sends would hold a thread for as long as it likes, and a few of
them the whole worker; so bodies are read on the event loop, and the application sees only what is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

INCOMPLETE = "clickport.incomplete"
"""Key of the scope: why the body is not all there, if it is not."""

_DRAIN_BYTES = 32 * 1024**2


class BodyIncomplete(Exception):
    """The body did not come, or not all of it."""


class WholeBodies:
    """ASGI middleware: reads bodies of at most ``max_bytes`` that are there within ``seconds``.

    A longer one loses its end, and is still too long: the application refuses it.

    The Content-Length that the application sees is that of the bytes it gets, so that one who announced
    another, or none, is no matter of its own.
    """

    def __init__(self, application: Application, *, max_bytes: int, seconds: float) -> None:
        self._application = application
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request of the ASGI protocol, version 3."""
        if scope["type"] != "http":
            return
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                await self._read(receive, body)
        except TimeoutError:
            scope[INCOMPLETE] = f"the body was not complete after {self._seconds:g} s"
        except BodyIncomplete as error:
            scope[INCOMPLETE] = str(error)
        headers = [(name, value) for name, value in scope["headers"] if name not in _FRAMING]
        scope["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        scope["query_string"] = quote(scope["query_string"], safe="%&=+?/:;,@!$'()*-._~[]").encode()
        await self._application(scope, _again(bytes(body), receive), send)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        read = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BodyIncomplete("the body is shorter than its Content-Length")
            chunk = message.get("body", b"")
            read += len(chunk)
            body += chunk[: self._max_bytes + 1 - len(body)]
            # Most clients listen only when they have sent everything: take it, within reason, to be heard.
            if not message.get("more_body") or read > _DRAIN_BYTES:
                return


_FRAMING = {b"content-length", b"transfer-encoding"}


def _again(body: bytes, receive: Receive) -> Receive:
    """Give out the body that was read, and then what else there is."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message
