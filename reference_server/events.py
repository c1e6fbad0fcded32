"""The route of events, on the event loop: no thread and no framework before its place on disk."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reference_server.clickhouse.schema import EventRow, written
from reference_server.feed import Feed, shown
from reference_server.ingest import Arrival, Ingest, decode
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


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def refusal(status: int, error: str, **headers: str) -> Answer:
    """An answer that says as JSON, to any origin, what is wrong."""
    body = json.dumps({"error": error}).encode()
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Answer(status, [*_ANY_ORIGIN.items(), *own.items(), *headers.items()], body)


_TAKEN = Answer(202, [*_ANY_ORIGIN.items(), ("Content-Length", "0")])


class Keeper:
    """Puts events into the outbox: those that come at once in one transaction."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._rows: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def keep(self, row: EventRow) -> None:
        """Return when the event is on disk. Raises StoreUnavailable and sqlite3.Error when it is not."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if not self._rows:
            loop.call_soon(self._write)
        # A future of its own: a sender that goes away must not end the wait of the others.
        kept = loop.create_future()
        self._rows.append(written(row))
        self._waiting.append(kept)
        await kept

    def _write(self) -> None:
        rows, waiting = self._rows, self._waiting
        self._rows, self._waiting = [], []
        try:
            self._outbox.add(*rows)
        except Exception as error:
            for kept in waiting:
                if not kept.done():
                    kept.set_exception(error)
        else:
            for kept in waiting:
                if not kept.done():
                    kept.set_result(None)


class EventRoute:
    """Answers ``/api/event``."""

    def __init__(self, ingest: Ingest, outbox: Outbox, feed: Feed, *, max_body: int) -> None:
        self._ingest = ingest
        self._feed = feed
        self._keeper = Keeper(outbox)
        self._max_body = max_body

    async def answer(self, method: str, headers: Any, ip: str, body: bytes) -> Answer:
        """Answer a request whose body is there, one byte too long if it is longer than the limit.

        ``headers`` has a ``get`` by names in lower case.
        """
        if method != "POST":
            if method == "OPTIONS":
                return Answer(204, [*_ANY_ORIGIN.items(), *_PREFLIGHT.items()])
            return refusal(405, "events are sent by POST", Allow=", ".join(METHODS))
        if len(body) > self._max_body:
            return refusal(413, f"the body is larger than {self._max_body} bytes")
        try:
            row, notes = self._ingest.take(_arrival(headers, ip, body))
            if row:
                await self._keeper.keep(row)
                if self._feed.wanted(row.site_id):
                    self._feed.publish(row.site_id, shown(decode(body), row, notes))
        except Rejected as error:
            return refusal(400, str(error))
        except (StoreUnavailable, sqlite3.Error) as error:
            _LOG.error("%s", error)
            return refusal(503, "the event could not be stored: try again", **{"Retry-After": _RETRY_SECONDS})
        except Exception:
            _LOG.exception("unexpected error")
            return refusal(500, "internal error")
        return _TAKEN._replace(headers=[*_TAKEN.headers, (NOTES_HEADER, _header(notes))]) if notes else _TAKEN


def _arrival(headers: Any, ip: str, body: bytes) -> Arrival:
    return Arrival(
        body=body,
        received=datetime.now(UTC),
        ip=ip,
        user_agent=headers.get("user-agent", ""),
        origin=headers.get("origin", ""),
        referer=headers.get("referer", ""),
        host=headers.get("host", ""),
    )


def _header(notes: Iterable[str]) -> str:
    """Notes as one header: ASCII, without line breaks, and bounded."""
    text = "; ".join(notes).encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:_NOTES_LIMIT]
