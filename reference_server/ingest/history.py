"""Lines of an import: events of the past, within the same limits as those of a tracker."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from reference_server.domains import host_of, path_of, site_of
from reference_server.event import Event, EventRow, Note, NoteCode
from reference_server.ingest.decode import decode, without_lone_surrogates
from reference_server.ingest.normalise import Rejected, normalise

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""The first moment of an event; ranges of the dashboard begin no earlier."""

_AHEAD = timedelta(minutes=5)  # Clocks differ.
_VISITOR_CHARACTERS = 1000
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that cannot be imported, by its number from 1, and why."""

    line: int
    error: str


class BadLines(Exception):
    """Lines cannot be imported, so that none of them is."""

    def __init__(self, lines: list[BadLine]) -> None:
        super().__init__(f"{counted(len(lines), 'line')} cannot be imported")
        self.lines = lines


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A note on what was changed or dropped in lines: that of the first one, and the number of lines."""

    line: int
    note: Note
    lines: int


@dataclass(frozen=True, kw_only=True)
class ImportRows:
    """The rows of lines, and notes on what was changed in them, one for each reason."""

    rows: list[EventRow]
    changed: tuple[Changed, ...]


def counted(number: int, thing: str) -> str:
    """Return a number of things, such as "1 line" or "2 lines"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


class _Extra(msgspec.Struct):
    """The members that only an import has."""

    at: Any = None
    v: Any = None


_EXTRA = msgspec.json.Decoder(_Extra)


def read_history(body: bytes, site: str, now: datetime) -> ImportRows:
    """Return the rows of the lines of a body, each a JSON object; blank lines are ignored.

    A line is the payload of a tracker with its time in ``at`` (RFC 3339, or milliseconds since 1970) and, if
    it is known, its visitor in ``v``. Raises BadLines.
    """
    rows, bad = [], []
    changed: dict[NoteCode, Changed] = {}
    for number, line in _lines(body.removeprefix(_MARK)):
        try:
            event = normalise(decode(line))
            rows.append(_row(event, line, site, now))
        except Rejected as error:
            bad.append(BadLine(line=number, error=str(error)))
            continue
        for note in {note.code: note for note in event.notes}.values():
            first = changed.get(note.code) or Changed(line=number, note=note, lines=0)
            changed[note.code] = replace(first, lines=first.lines + 1)
    if bad:
        raise BadLines(bad)
    return ImportRows(rows=rows, changed=tuple(changed.values()))


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _extra(line: bytes) -> _Extra:
    """Return the members that only an import has. Raises Rejected if they cannot be read."""
    line = line.removeprefix(_MARK)
    try:
        return _EXTRA.decode(line)
    except msgspec.DecodeError:  # A lone surrogate in any text of the line.
        try:
            return _EXTRA.decode(without_lone_surrogates(line))
        except msgspec.DecodeError as error:
            raise Rejected(f"at and v cannot be read: {error}") from None


def _row(event: Event, line: bytes, site: str, now: datetime) -> EventRow:
    extra = _extra(line)
    if event.domain.strip() and site_of(event.domain) != site:
        raise Rejected(f"d is another site than {site}")
    visitor = extra.v if extra.v is not None else event.session
    if not isinstance(visitor, str) or not 0 < len(visitor) <= _VISITOR_CHARACTERS:
        raise Rejected(f"v must be a text of 1 to {_VISITOR_CHARACTERS:,} characters, unless s is given")
    return EventRow(
        site_id=site,
        timestamp=_moment(extra.at, now),
        type=event.type,
        name=event.name,
        visitor_id=_digest(site, visitor),
        session_id=event.session,
        pageview_id=event.pageview,
        hostname=host_of(event.url),
        pathname=path_of(event.url),
        referrer=event.referrer,
        meta_keys=event.meta_keys,
        meta_values=event.meta_values,
        revenue_source_amount=event.amount,
        revenue_source_currency=event.currency,
    )


def _moment(given: Any, now: datetime) -> datetime:
    """Return the time of an event. Raises Rejected if it is missing or out of bounds."""
    moment = None
    try:
        if isinstance(given, int) and not isinstance(given, bool):
            moment = datetime.fromtimestamp(given / 1000, UTC)
        elif isinstance(given, str) and _OFFSET.search(given := given.upper()):
            moment = datetime.fromisoformat(given).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    if moment is None:
        raise Rejected(
            "at must be a time such as 2026-11-29T12:00:00Z, or an integer of milliseconds since 1970"
        )
    if not EARLIEST <= moment <= now + _AHEAD:
        raise Rejected(f"at must be between {EARLIEST:%Y-%m-%d} and now (got {moment:%Y-%m-%dT%H:%M:%SZ})")
    return moment


def _digest(site: str, visitor: str) -> str:
    """Return an id that tells nothing about the visitor to those who do not know the text."""
    return hashlib.blake2b(f"{site}\0{visitor}".encode(), digest_size=16).hexdigest()
