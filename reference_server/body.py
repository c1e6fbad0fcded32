"""Reading request bodies: all of them, within a size and a time.

A WSGI server hands out a blocking stream. A client that announces more bytes than it sends would hold the
thread that reads it for as long as it likes, and a few of them the whole worker; so another thread reads.
"""

import threading
from queue import Empty, SimpleQueue
from typing import IO

_DRAIN_BYTES = 32 * 1024**2
_CHUNK_BYTES = 64 * 1024


class BodyTooLarge(Exception):
    """The body has more bytes than are taken."""


class BodyIncomplete(Exception):
    """The body did not come, or not all of it."""


class BodyReader:
    """Reads bodies of at most ``max_bytes`` that are there within ``seconds``."""

    def __init__(self, *, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._idle: list[_Helper] = []

    def read(self, stream: IO[bytes], length: int | None) -> bytes:
        """Return the body of a request with the given Content-Length. Raises BodyTooLarge, BodyIncomplete."""
        helper = self._helper()
        helper.streams.put(stream)
        try:
            body = helper.bodies.get(timeout=self._seconds)
        except Empty:
            # That helper waits until its client leaves, and ends then.
            helper.streams.put(None)
            raise BodyIncomplete(f"the body was not complete after {self._seconds:g} s") from None
        self._idle.append(helper)
        if body is not None and len(body) > self._max_bytes:
            raise BodyTooLarge(f"the body has more than {self._max_bytes} bytes")
        if body is None or len(body) < (length or 0):
            raise BodyIncomplete("the body is shorter than its Content-Length")
        return body

    def _helper(self) -> "_Helper":
        try:
            return self._idle.pop()
        except IndexError:
            helper = _Helper(self._max_bytes)
            helper.start()
            return helper


class _Helper(threading.Thread):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(name="body-reader", daemon=True)
        self._max_bytes = max_bytes
        self.streams: SimpleQueue[IO[bytes] | None] = SimpleQueue()
        self.bodies: SimpleQueue[bytes | None] = SimpleQueue()

    def run(self) -> None:
        while (stream := self.streams.get()) is not None:
            self.bodies.put(_read(stream, self._max_bytes))


def _read(stream: IO[bytes], max_bytes: int) -> bytes | None:
    """The body; a byte too many of one that is too large; None if the connection broke."""
    try:
        body = stream.read(max_bytes + 1)
        if len(body) > max_bytes:
            # Most clients listen only when they have sent everything: take it, within reason, to be heard.
            drained = len(body)
            while drained < _DRAIN_BYTES and (chunk := stream.read(_CHUNK_BYTES)):
                drained += len(chunk)
    except Exception:  # What a server raises for a broken connection is its own affair.
        return None
    return body
