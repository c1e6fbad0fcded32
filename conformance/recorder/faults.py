"""Faults of the endpoint: rules that make requests with a token fail, or get an odd answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field

from conformance.recorder.connection import ClientGone, HttpAnswer, Requester
from conformance.recorder.exchange import Exchange

_RETRY_AFTER = "1"


@dataclass
class ConnectionFault:
    """A rule for requests with a token, until it is ``ended``.

    ``kind``: ``hang`` (no response until the fault ends), ``reset`` (the connection is reset once the request
    is complete), ``endless`` (status 200 and a body that does not end until the fault ends), ``103`` (that
    informational status, then 200) or another status, such as ``500``. A redirect leads to a path of the
    recorder, so it is recorded; 429 has the header Retry-After: 1.
    """

    kind: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(
        self,
        requester: Requester,
        exchange: Exchange,
        cors: tuple[tuple[str, str], ...],
        note: Callable[[], Coroutine[None, None, None]],
    ) -> HttpAnswer | None:
        """Return the answer to a request, or None if it gets the usual one.

        ``note`` is called when the exchange has changed. Raises ClientGone.
        """
        if self.kind == "hang":
            exchange.held = True
            await requester.hold(self.ended)
            return None
        if self.kind == "reset":
            requester.reset()
            raise ClientGone
        if self.kind == "endless":
            return HttpAnswer(status=200, headers=cors, chunks=self._endless(exchange, note))
        if self.kind == "103":
            return HttpAnswer(status=200, headers=cors, early=True)
        more: tuple[tuple[str, str], ...] = ()
        if self.kind == "429":
            more = (("Retry-After", _RETRY_AFTER),)
        elif self.kind.startswith("3") and self.kind != "304":
            more = (("Location", f"/elsewhere{exchange.path}"),)
        return HttpAnswer(status=int(self.kind), headers=(*cors, *more))

    async def _endless(
        self, exchange: Exchange, note: Callable[[], Coroutine[None, None, None]]
    ) -> AsyncGenerator[bytes]:
        yield b"."
        # The status is on record while the response goes on.
        exchange.status = 200
        await note()
        await self.ended.wait()
