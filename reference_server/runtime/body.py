"""Reading request bodies: all of them, within a size and a time, before anything is spent on the request.

A client that announces more bytes than it sends would hold a thread for as long as it likes, and a few of
them the whole worker; so bodies are read on the event loop, and the application sees only what is there.
"""

import asyncio
import time
from typing import Any

_DRAIN_BYTES = 32 * 1024**2
_LOOK_SECONDS = 0.5


class Incomplete(Exception):
    """The body did not come, or not all of it; the message says why."""


class Bodies:
    """Reads bodies of at most ``max_bytes`` that are there within ``seconds``, give or take half a second.

    One look at all of them now and then costs less than a timer for each.
    """

    def __init__(self, *, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, headers: Any, protocol: Any) -> bytes:
        """Return the body of a request of the RSGI protocol.

        A longer one loses its end, and is still too long: the application refuses it. Raises Incomplete.
        """
        announced = headers.get("content-length")
        if announced is None and "transfer-encoding" not in headers:
            return b""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._look(self._loop)
        task = asyncio.current_task(self._loop)
        assert task
        self._since[task] = time.monotonic()
        try:
            if announced is None or int(announced) > self._max_bytes:
                return await self._bounded(protocol)
            body: bytes = await protocol()
        except asyncio.CancelledError:
            if task in self._since:
                raise
            task.uncancel()
            raise Incomplete(f"the body was not complete after {self._seconds:g} s") from None
        except (RuntimeError, OSError) as error:  # A connection that breaks off, as granian tells it.
            raise Incomplete(f"the body broke off: {error}") from None
        finally:
            self._since.pop(task, None)
        if len(body) != int(announced):
            raise Incomplete("the body is shorter than its Content-Length")
        return body

    async def _bounded(self, protocol: Any) -> bytes:
        body, read = bytearray(), 0
        async for chunk in protocol:
            read += len(chunk)
            body += chunk[: self._max_bytes + 1 - len(body)]
            # Most clients listen only when they have sent everything: take it, within reason, to be heard.
            if read > _DRAIN_BYTES:
                break
        return bytes(body)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the waits that are too long."""
        over = time.monotonic() - self._seconds
        for task in [task for task, since in self._since.items() if since < over]:
            del self._since[task]
            task.cancel()
        loop.call_later(_LOOK_SECONDS, self._look, loop)
