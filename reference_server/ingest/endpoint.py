"""The event route. It runs on the event loop, without threads or a framework until the event is on disk."""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from reference_server.delivery.outbox import Outbox, StoreUnavailable
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.event import EventRow, Note, NoteCode
from reference_server.ingest.decode import decode
from reference_server.ingest.normalise import Rejected
from reference_server.ingest.rows import Arrival, RowBuilder
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.storage.schema import encode_row

PATH = "/api/event"
METHODS = ("OPTIONS", "POST")
NOTES_HEADER = "X-Clickport-Notes"
HEADER_LIMIT = 2000
"""Maximum number of characters read from a header."""
_NOTES_LIMIT = 1000
_RETRY_SECONDS = "5"
# No credentials (WIRE-5, WIRE-7). Errors carry these headers too; a page could not read the reason otherwise.
_ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": NOTES_HEADER,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
# Seconds. After a commit that took longer, the next one runs in a thread.
_SLOW_COMMIT = 0.004
_LOG = logging.getLogger(__name__)


class EventAnswer(NamedTuple):
    """Status, headers and body of a response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def refusal(status: int, error: str, **headers: str) -> EventAnswer:
    """Return an error as JSON that a page of any origin can read."""
    body = json.dumps({"error": error}).encode()
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return EventAnswer(status, [*_ANY_ORIGIN.items(), *own.items(), *headers.items()], body)


_TAKEN = EventAnswer(202, [*_ANY_ORIGIN.items(), ("Content-Length", "0")])


def _with_notes(answer: EventAnswer, notes: Iterable[Note]) -> EventAnswer:
    """Return the answer with a header of notes on what was dropped or changed."""
    return answer._replace(
        headers=[*answer.headers, (NOTES_HEADER, _ascii("; ".join(note.text for note in notes)))]
    )


def _dropped(reason: str) -> EventAnswer:
    """Return 200, as the hosted product does for a dropped event: the sender must not repeat it."""
    header = (NOTES_HEADER, _ascii(f"{reason}: event dropped"))
    return _TAKEN._replace(status=200, headers=[*_TAKEN.headers, header])


class LiveEvents(Protocol):
    """The live page, which shows events as they arrive."""

    def wanted(self, site: str) -> bool:
        """Return True if a live page shows the site and its rate limit allows another event."""

    def describe(
        self, payload: Mapping[str, Any], row: EventRow, notes: tuple[Note, ...]
    ) -> Mapping[str, Any]:
        """Return what the page shows of an event."""

    def publish(self, site: str, event: Mapping[str, Any]) -> None:
        """Show a described event. Never blocks and never raises."""


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """A request that waits for its answer, with the state of its event."""

    arrival: Arrival
    done: asyncio.Future[EventAnswer]
    site: str = ""
    line: bytes = b""
    described: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()

    def resolve(self, answer: EventAnswer) -> None:
        """Send the answer, unless the client has disconnected."""
        if not self.done.done():
            self.done.set_result(answer)


class EventRoute:
    """Answers ``/api/event``. Events over the quota are dropped if ``over_quota`` is "drop", else marked."""

    def __init__(
        self,
        ingest: RowBuilder,
        outbox: OwnOutbox | Outbox,
        live: LiveEvents,
        usage_limits: UsageLimits,
        *,
        max_body: int,
        over_quota: str,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._now = now or partial(datetime.now, UTC)
        self._ingest = ingest
        self._live = live
        self._usage_limits = usage_limits
        self._drops = over_quota == "drop"
        self._outbox = outbox
        self._waiting: list[_Waiting] = []
        self._max_body = max_body
        self._commit_seconds = 0.0
        self._committing = False
        self._thread = ThreadPoolExecutor(1, "commit")

    async def answer(self, method: str, headers: Any, ip: str, body: bytes) -> EventAnswer:
        """Answer a request whose body has been read.

        Of a body beyond the limit one extra byte suffices. ``headers`` has a ``get`` method that
        takes lower-case names.
        """
        if method != "POST":
            if method == "OPTIONS":
                return EventAnswer(204, [*_ANY_ORIGIN.items(), *_PREFLIGHT.items()])
            return refusal(405, "send events by POST", Allow=", ".join(METHODS))
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        # A future per request: a client that disconnects must not cancel the others.
        waiting = _Waiting(arrival=_arrival(headers, ip, body, self._now()), done=loop.create_future())
        self._waiting.append(waiting)
        return await waiting.done

    def incomplete(self) -> None:
        """Count a request whose body did not arrive completely."""
        self._usage_limits.refused("incomplete")

    def _answer_all(self) -> None:
        """Process and commit all waiting requests together, which is cheaper than one by one."""
        if self._committing:  # ``_committed`` continues.
            return
        requests, self._waiting = self._waiting, []
        taken = []
        for waiting in requests:
            if refused := self._take(waiting):
                waiting.resolve(refused)
            else:
                taken.append(waiting)
        if not taken:
            return
        if self._commit_seconds < _SLOW_COMMIT:
            self._finish(taken, self._commit(taken))
            return
        # The disk is slow: read more requests meanwhile and let them share the next commit.
        self._committing = True
        committed = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, taken)
        committed.add_done_callback(lambda done: self._committed(taken, done.result()))

    def _commit(self, taken: list[_Waiting]) -> Exception | None:
        """Write events to disk; return the error if that fails."""
        began = time.monotonic()
        try:
            self._outbox.add(*(waiting.line for waiting in taken))
        except Exception as error:
            return error
        finally:
            self._commit_seconds = time.monotonic() - began
        return None

    def _committed(self, taken: list[_Waiting], error: Exception | None) -> None:
        self._committing = False
        self._finish(taken, error)
        if self._waiting:
            self._answer_all()

    def _finish(self, taken: list[_Waiting], error: Exception | None) -> None:
        """Answer events after their commit succeeded or failed."""
        if error:
            for waiting in taken:
                waiting.resolve(self._failed(error))
            return
        for waiting in taken:
            waiting.resolve(_with_notes(_TAKEN, waiting.notes) if waiting.notes else _TAKEN)
        for waiting in taken:
            if waiting.described:
                self._live.publish(waiting.site, waiting.described)

    def _take(self, waiting: _Waiting) -> EventAnswer | None:
        """Encode the row of an event, or return the answer that refuses it."""
        try:
            return self._judge(waiting)
        except Rejected as error:
            self._usage_limits.refused("malformed")
            return refusal(400, str(error))
        except Exception as error:
            return self._failed(error)

    def _judge(self, waiting: _Waiting) -> EventAnswer | None:
        arrival = waiting.arrival
        if not self._usage_limits.within_rate_limit(arrival.ip, arrival.received):
            self._usage_limits.refused("rate_limit")
            return _dropped(f"more than {self._usage_limits.rate} requests in a minute")
        if len(arrival.body) > self._max_body:
            self._usage_limits.refused("too_large")
            return refusal(413, f"the body must have at most {self._max_body:,} bytes")
        payload = decode(arrival.body)
        row, waiting.notes = self._ingest.take(payload, arrival)
        if not row:
            self._usage_limits.refused("unknown_site")
            return _with_notes(_TAKEN, waiting.notes)
        waiting.site, waiting.line = row.site_id, encode_row(row)
        if not self._usage_limits.within_quota(row.site_id, row.timestamp):
            over = f"over the monthly quota of {self._usage_limits.quota(row.site_id)}"
            if self._drops:
                self._usage_limits.refused("quota")
                return _dropped(over)
            waiting.notes = (*waiting.notes, Note(NoteCode.QUOTA, over))
        # Described here, so that the payload can be freed: it may take 40 times the memory of its body.
        if self._live.wanted(row.site_id):
            waiting.described = self._live.describe(payload, row, waiting.notes)
        return None

    def _failed(self, error: Exception) -> EventAnswer:
        if not isinstance(error, StoreUnavailable | sqlite3.Error):
            _LOG.error("unexpected error", exc_info=error)
            return refusal(500, "internal error")
        _LOG.error("%s", error)
        self._usage_limits.refused("backlog")
        return refusal(503, "the event could not be stored: try again", **{"Retry-After": _RETRY_SECONDS})


def _arrival(headers: Any, ip: str, body: bytes, received: datetime) -> Arrival:
    return Arrival(
        body=body,
        received=received,
        ip=ip,
        user_agent=headers.get("user-agent", "")[:HEADER_LIMIT],
        origin=headers.get("origin", "")[:HEADER_LIMIT],
        referer=headers.get("referer", "")[:HEADER_LIMIT],
        host=headers.get("host", "")[:HEADER_LIMIT],
    )


def _ascii(text: str) -> str:
    """Return text as a header value: printable ASCII of bounded length."""
    text = text.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:_NOTES_LIMIT]
