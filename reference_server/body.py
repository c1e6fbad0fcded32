"""Reading request bodies: all of them, within a size and a time, before anything is spent on the request.

A client that announces more bytes than it sends would hold a thread for as long as it likes, and a few of
them the whole worker; so bodies are read on the event loop, and the application sees only what is there.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

_DRAIN_BYTES = 32 * 1024**2


class Incomplete(Exception):
    """The body did not come, or not all of it; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """Reads bodies of at most ``max_bytes`` that are there within ``seconds``."""

    max_bytes: int
    seconds: float

    async def read(self, headers: Any, protocol: Any) -> bytes:
        """Return the body of a request of the RSGI protocol.

        A longer one loses its end, and is still too long: the application refuses it. Raises Incomplete.
        """
        announced = headers.get("content-length")
        if announced is None and "transfer-encoding" not in headers:
            return b""
        try:
            async with asyncio.timeout(self.seconds):
                if announced is None or int(announced) > self.max_bytes:
                    return await self._bounded(protocol)
                body: bytes = await protocol()
        except TimeoutError:
            raise Incomplete(f"the body was not complete after {self.seconds:g} s") from None
        except (RuntimeError, OSError) as error:  # A connection that breaks off, as granian tells it.
            raise Incomplete(f"the body broke off: {error}") from None
        if len(body) != int(announced):
            raise Incomplete("the body is shorter than its Content-Length")
        return body

    async def _bounded(self, protocol: Any) -> bytes:
        body, read = bytearray(), 0
        async for chunk in protocol:
            read += len(chunk)
            body += chunk[: self.max_bytes + 1 - len(body)]
            # Most clients listen only when they have sent everything: take it, within reason, to be heard.
            if read > _DRAIN_BYTES:
                break
        return bytes(body)
