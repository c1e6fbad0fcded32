"""Clients that occupy the connections of a server, each in one way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

_BETWEEN_SECONDS = 0.1
_FIRST = {
    "requests": b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    "bodies": b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
    "streams": b"GET /api/sites/crowd.example/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "silent": b"",
}
_NEXT = {"requests": _FIRST["requests"], "headers": b"x", "bodies": b"x", "streams": b"", "silent": b""}
WAYS = tuple(_FIRST)
"""Ways to occupy a connection: whole requests, bytes of a header or a body, a live stream, or silence."""


class Crowd(threading.Thread):
    """Keeps ``size`` connections busy until ``stop`` is called, and replaces those that end."""

    def __init__(self, url: str, way: str, size: int) -> None:
        super().__init__(name="crowd", daemon=True)
        address = httpx.URL(url)
        self._address = (address.host, address.port or 80)
        self._way = way
        self._over = threading.Event()
        self._members: list[socket.socket | None] = [None] * size
        self.ended = 0
        self.round = threading.Event()

    def run(self) -> None:
        """Send a little on each connection, repeatedly."""
        while not self._over.is_set():
            for number, member in enumerate(self._members):
                self._members[number] = self._busy(member)
            self.round.set()
            self._over.wait(_BETWEEN_SECONDS)
        for member in filter(None, self._members):
            member.close()

    def _busy(self, member: socket.socket | None) -> socket.socket | None:
        try:
            if member is None:
                member = socket.create_connection(self._address, timeout=1)
                member.sendall(_FIRST[self._way])
                member.setblocking(False)
                return member
            with suppress(BlockingIOError):
                while member.recv(65_536):
                    pass
                raise ConnectionResetError
            member.sendall(_NEXT[self._way])
        except OSError:
            self.ended += 1
            if member:
                member.close()
            return None
        return member


@contextmanager
def crowd(url: str, way: str, size: int) -> Iterator[Crowd]:
    """Run a crowd for a with block, once all of it is connected."""
    thread = Crowd(url, way, size)
    thread.start()
    try:
        assert thread.round.wait(20), "the crowd did not connect"
        yield thread
    finally:
        thread._over.set()
        thread.join()
