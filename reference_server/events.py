"""The route of events, on the event loop: no thread and no framework between a request and its place on disk.

Everything else goes on to the Flask application.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reference_server.body import INCOMPLETE, Application, Message, Receive, Send
from reference_server.clickhouse.schema import EventRow
from reference_server.ingest import Arrival, Ingest
from reference_server.normalise import Rejected
from reference_server.outbox import Outbox, StoreUnavailable

PATH = "/api/event"
METHODS = ("OPTIONS", "POST")
NOTES_HEADER = "X-Clickport-Notes"
_NOTES_LIMIT = 1000
_RETRY_SECONDS = "5"
# Without credentials (WIRE-5, WIRE-7), on errors too: otherwise a page cannot read the reason.
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": NOTES_HEADER}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


class Keeper:
    """Puts events into the outbox: those that come at once in one transaction."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._rows: list[EventRow] = []
        self._kept: asyncio.Future[None] | None = None

    async def keep(self, row: EventRow) -> None:
        """Return when the event is on disk. Raises StoreUnavailable and sqlite3.Error when it is not."""
        if self._kept is None:
            loop = asyncio.get_running_loop()
            self._kept = loop.create_future()
            loop.call_soon(self._write)
        self._rows.append(row)
        # Shielded: a client that goes away must not end the wait of the others.
        await asyncio.shield(self._kept)

    def _write(self) -> None:
        rows, kept = self._rows, self._kept
        self._rows, self._kept = [], None
        assert kept
        try:
            self._outbox.add(*rows)
        except Exception as error:
            kept.set_exception(error)
            kept.exception()  # Whoever waits is told; when nobody does any more, nobody needs to be.
        else:
            kept.set_result(None)


class EventRoute:
    """ASGI application: answers ``/api/event``, and lets ``others`` answer the rest.

    It relies on ``WholeBodies`` around it, which has bodies at once, one byte too long if they are.
    """

    def __init__(self, ingest: Ingest, outbox: Outbox, others: Application, *, max_body: int) -> None:
        self._ingest = ingest
        self._keeper = Keeper(outbox)
        self._others = others
        self._max_body = max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request of the ASGI protocol, version 3."""
        if scope["path"] != PATH:
            await self._others(scope, receive, send)
            return
        answer = await self._answer(scope, receive)
        body = json.dumps({"error": answer.error}).encode() if answer.error else b""
        headers = {**_ANY_ORIGIN, **answer.headers}
        if body:
            headers["Content-Type"] = "application/json"
        if answer.status != 204:
            headers["Content-Length"] = str(len(body))
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Message, receive: Receive) -> _Answer:
        if scope["method"] == "OPTIONS":
            return _Answer(status=204, headers=_PREFLIGHT)
        if scope["method"] != "POST":
            allowed = {"Allow": ", ".join(METHODS)}
            return _Answer(status=405, headers=allowed, error="events are sent by POST")
        if reason := scope.get(INCOMPLETE):
            return _Answer(status=408, headers={"Connection": "close"}, error=reason)
        body = (await receive()).get("body", b"")
        if len(body) > self._max_body:
            return _Answer(status=413, error=f"the body is larger than {self._max_body} bytes")
        try:
            return await self._take(_arrival(scope, body))
        except Rejected as error:
            return _Answer(status=400, error=str(error))
        except (StoreUnavailable, sqlite3.Error) as error:
            _LOG.error("%s", error)
            later = {"Retry-After": _RETRY_SECONDS}
            return _Answer(status=503, headers=later, error="the event could not be stored: try again")
        except Exception:
            _LOG.exception("unexpected error")
            return _Answer(status=500, error="internal error")

    async def _take(self, arrival: Arrival) -> _Answer:
        row, notes = self._ingest.take(arrival)
        if row:
            await self._keeper.keep(row)
        return _Answer(status=202, headers={NOTES_HEADER: _header(notes)} if notes else {})


def _arrival(scope: Message, body: bytes) -> Arrival:
    headers = dict(scope["headers"])

    def text(name: bytes) -> str:
        value: bytes = headers.get(name, b"")
        return value.decode("latin-1")

    client = scope.get("client")
    return Arrival(
        body=body,
        received=datetime.now(UTC),
        ip=client[0] if client else "",
        user_agent=text(b"user-agent"),
        origin=text(b"origin"),
        referer=text(b"referer"),
        host=text(b"host"),
    )


def _header(notes: Iterable[str]) -> str:
    """Notes as one header: ASCII, without line breaks, and bounded."""
    text = "; ".join(notes).encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:_NOTES_LIMIT]
