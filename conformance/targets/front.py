"""A front of several servers: each connection goes to the next server that accepts it, byte for byte."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Self

from conformance.protocol.outcomes import TargetUnavailable

Place = tuple[str, int]
"""Host and port of a server."""

_CHUNK = 65536
_CONNECT_SECONDS = 2.0


class Front:
    """Forwards connections to ``servers`` in turn, from its own thread: use it as a context manager.

    A server that does not accept a connection within 2 s is passed over. If none does, the client's
    connection is closed. Port 0 means any free port. Raises TargetUnavailable if the port is in use.
    """

    def __init__(self, servers: Sequence[Place], port: int = 0) -> None:
        self._servers = tuple(servers)
        self._next = 0
        self._listening = _listen(port)
        self.port = int(self._listening.getsockname()[1])
        self._stop: Callable[[], object] = lambda: None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="front", daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the front."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()

    async def _run(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._stop = partial(loop.call_soon_threadsafe, over.set)
        server = await asyncio.start_server(self._serve, sock=self._listening)
        self._started.set()
        await over.wait()
        server.close()  # Open connections are cancelled with the loop.

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            found = await self._connect()
            if not found:
                to_near.transport.abort()
                return
            far, to_far = found
            try:
                await asyncio.gather(_carry(near, to_far, to_near), _carry(far, to_near, to_far))
            finally:
                to_far.close()
        finally:
            to_near.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next server that accepts a connection."""
        self._next += 1
        for number in range(len(self._servers)):
            host, port = self._servers[(self._next + number) % len(self._servers)]
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(host, port)
        return None


def require_free(port: int) -> None:
    """Raise TargetUnavailable, with the reason, if a front cannot listen on the port."""
    _listen(port).close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        raise TargetUnavailable(f"the front cannot listen on port {port}: {error.strerror}") from error


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
) -> None:
    """Send what arrives on, and the end of it; after an error, end both sides."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
        back.transport.abort()
