"""The route of events, on the event loop: no thread and no framework before its place on disk."""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
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
"""Characters of a header that are looked at."""
_NOTES_LIMIT = 1000
_RETRY_SECONDS = "5"
# Without credentials (WIRE-5, WIRE-7), on errors too: otherwise a page cannot read the reason.
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
# After a commit that took longer, the next one is made by a thread.
_SLOW_COMMIT = 0.004
_LOG = logging.getLogger(__name__)


class EventAnswer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def refusal(status: int, error: str, **headers: str) -> EventAnswer:
    """An answer that says as JSON, to any origin, what is wrong."""
    body = json.dumps({"error": error}).encode()
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return EventAnswer(status, [*_ANY_ORIGIN.items(), *own.items(), *headers.items()], body)


_TAKEN = EventAnswer(202, [*_ANY_ORIGIN.items(), ("Content-Length", "0")])


def _told(answer: EventAnswer, notes: Iterable[Note]) -> EventAnswer:
    """The same answer, with notes on what was dropped or changed."""
    return answer._replace(
        headers=[*answer.headers, (NOTES_HEADER, _ascii("; ".join(note.text for note in notes)))]
    )


def _dropped(reason: str) -> EventAnswer:
    """Return 200, as the hosted product does for an event that it drops: the sender must not repeat it."""
    header = (NOTES_HEADER, _ascii(f"{reason}: event dropped"))
    return _TAKEN._replace(status=200, headers=[*_TAKEN.headers, header])


class LiveEvents(Protocol):
    """The live page, which is shown events as they arrive."""

    def wanted(self, site: str) -> bool:
        """Return whether a page shows the site now, and has room for more."""

    def describe(
        self, payload: Mapping[str, Any], row: EventRow, notes: tuple[Note, ...]
    ) -> Mapping[str, Any]:
        """Return what the page shows of an event."""

    def publish(self, site: str, event: Mapping[str, Any]) -> None:
        """Show a described event; never wait, never raise."""


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """A sender who waits for an answer, which ``done`` gets, and what became of the event meanwhile."""

    arrival: Arrival
    done: asyncio.Future[EventAnswer]
    site: str = ""
    line: bytes = b""
    told: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()

    def tell(self, answer: EventAnswer) -> None:
        """Answer, unless the sender has gone."""
        if not self.done.done():
            self.done.set_result(answer)


class EventRoute:
    """Answers ``/api/event``. Events ``over_quota`` are dropped, or only counted."""

    def __init__(
        self,
        ingest: RowBuilder,
        outbox: OwnOutbox | Outbox,
        live: LiveEvents,
        usage_limits: UsageLimits,
        *,
        max_body: int,
        over_quota: str,
    ) -> None:
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
        """Answer a request whose body is there, one byte too long if it is longer than the limit.

        ``headers`` has a ``get`` by names in lower case.
        """
        if method != "POST":
            if method == "OPTIONS":
                return EventAnswer(204, [*_ANY_ORIGIN.items(), *_PREFLIGHT.items()])
            return refusal(405, "events are sent by POST", Allow=", ".join(METHODS))
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        # A future of its own: a sender that goes away must not end the wait of the others.
        waiting = _Waiting(arrival=_arrival(headers, ip, body), done=loop.create_future())
        self._waiting.append(waiting)
        return await waiting.done

    def incomplete(self) -> None:
        """Count a body that did not come."""
        self._usage_limits.refused("incomplete")

    def _answer_all(self) -> None:
        """Take what came at once in one go, and commit it together: each step costs less that way."""
        if self._committing:  # Goes on when that commit is done.
            return
        everybody, self._waiting = self._waiting, []
        taken = []
        for waiting in everybody:
            if refused := self._take(waiting):
                waiting.tell(refused)
            else:
                taken.append(waiting)
        if not taken:
            return
        if self._commit_seconds < _SLOW_COMMIT:
            self._finish(taken, self._commit(taken))
            return
        # The disk is slow: meanwhile others are read, and share the next commit.
        self._committing = True
        committed = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, taken)
        committed.add_done_callback(lambda done: self._committed(taken, done.result()))

    def _commit(self, taken: list[_Waiting]) -> Exception | None:
        """Keep events on disk; return what went wrong."""
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
        """Answer events that were kept, or were not."""
        if error:
            for waiting in taken:
                waiting.tell(self._failed(error))
            return
        for waiting in taken:
            waiting.tell(_told(_TAKEN, waiting.notes) if waiting.notes else _TAKEN)
        for waiting in taken:
            if waiting.told:
                self._live.publish(waiting.site, waiting.told)

    def _take(self, waiting: _Waiting) -> EventAnswer | None:
        """Write the row of an event, or say why there is none."""
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
            return refusal(413, f"the body is larger than {self._max_body} bytes")
        payload = decode(arrival.body)
        row, waiting.notes = self._ingest.take(payload, arrival)
        if not row:
            self._usage_limits.refused("unknown_site")
            return _told(_TAKEN, waiting.notes)
        waiting.site, waiting.line = row.site_id, encode_row(row)
        if not self._usage_limits.within_quota(row.site_id, row.timestamp):
            over = f"over the monthly quota of {self._usage_limits.quota(row.site_id)}"
            if self._drops:
                self._usage_limits.refused("quota")
                return _dropped(over)
            waiting.notes = (*waiting.notes, Note(NoteCode.QUOTA, over))
        # Here, as nobody keeps the payload: it may take forty times the memory of its body.
        if self._live.wanted(row.site_id):
            waiting.told = self._live.describe(payload, row, waiting.notes)
        return None

    def _failed(self, error: Exception) -> EventAnswer:
        if not isinstance(error, StoreUnavailable | sqlite3.Error):
            _LOG.error("unexpected error", exc_info=error)
            return refusal(500, "internal error")
        _LOG.error("%s", error)
        self._usage_limits.refused("backlog")
        return refusal(503, "the event could not be stored: try again", **{"Retry-After": _RETRY_SECONDS})


def _arrival(headers: Any, ip: str, body: bytes) -> Arrival:
    return Arrival(
        body=body,
        received=datetime.now(UTC),
        ip=ip,
        user_agent=headers.get("user-agent", "")[:HEADER_LIMIT],
        origin=headers.get("origin", "")[:HEADER_LIMIT],
        referer=headers.get("referer", "")[:HEADER_LIMIT],
        host=headers.get("host", "")[:HEADER_LIMIT],
    )


def _ascii(text: str) -> str:
    """Return text as the value of a header: ASCII, without line breaks, and bounded."""
    text = text.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:_NOTES_LIMIT]
