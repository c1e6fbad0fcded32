"""Reading of request bodies, limited in size and time, before any other work on the request.

A client that sends less than it announces would occupy a thread for any length of time, and a few of them a
whole worker. So bodies are read on the event loop, and the application gets complete ones.
"""

import asyncio
import time
from typing import Any

_DRAIN_BYTES = 32 * 1024**2
_LOOK_SECONDS = 0.5


class Incomplete(Exception):
    """The body did not arrive completely; the message says why."""


class Bodies:
    """Reads bodies of at most ``max_bytes`` that arrive within ``seconds`` (plus up to 0.5 s).

    One periodic check of all reads is cheaper than a timer for each.
    """

    def __init__(self, *, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, headers: Any, protocol: Any) -> bytes:
        """Return the body of an RSGI request.

        A body beyond the limit is truncated to one byte more than the limit, so that the application
        refuses it. Raises Incomplete.
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
        except (RuntimeError, OSError) as error:  # granian's errors for a connection that breaks off.
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
            # Most clients read the response only after sending everything, so the excess is read too, within
            # a limit.
            if read > _DRAIN_BYTES:
                break
        return bytes(body)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the reads that take too long, and schedule the next check."""
        over = time.monotonic() - self._seconds
        for task in [task for task, since in self._since.items() if since < over]:
            del self._since[task]
            task.cancel()
        loop.call_later(_LOOK_SECONDS, self._look, loop)
