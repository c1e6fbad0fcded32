"""Events from files: a HAR or a folder of them, a run record, a readback's rows, an event file."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.protocol.outcomes import TargetUnavailable, Violation
from conformance.readback.rows import Readback, parse_lines
from conformance.site.events import Event, read_event
from conformance.site.har import BadHar, Capture, events_of, is_har, read_captures

STORED = "custom"
"""The type of a stored custom event (STORE-1)."""


class BadSource(ValueError):
    """A file without events that can be read; the message names the file, the fault and the way out."""


def read_events(path: Path) -> tuple[Event, ...]:
    """Return the events of a file, whose kind is known from its content. Raises BadSource."""
    if path.is_dir() or is_har(path):
        try:
            return tuple(events_in(read_captures(path)))
        except BadHar as error:
            raise BadSource(str(error)) from error
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSource(f"could not read {path}: {error}") from error
    return tuple(_from_text(text, path))


def read_rows(readback: Readback) -> tuple[Event, ...]:
    """Return the stored custom events of a readback. Raises TargetUnavailable."""
    every = ""  # A text that each row contains.
    return tuple(Event.from_row(row) for row in readback.rows(every) if row.type == STORED)


def events_in(captures: tuple[Capture, ...]) -> Iterator[Event]:
    """Yield the custom events of captures; requests that cannot be read are the audit's matter."""
    for request in events_of(captures):
        if request.body is not None:
            try:
                event = read_event(request.body, seconds=request.seconds, page=request.page)
            except Violation:
                continue
            if event:
                yield event


def _from_text(text: str, path: Path) -> Iterator[Event]:
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        head = json.loads(first)
    except (ValueError, RecursionError):
        head = None
    if isinstance(head, dict) and "meta_keys" in head:
        yield from _rows(text, path)
    elif isinstance(head, dict) and head.get("kind") in ("run", "event"):
        reader: Callable[[Mapping[str, Any]], Iterator[Event]] = (
            _of_case if head["kind"] == "run" else lambda line: iter([Event.from_json(line)])
        )
        yield from _lines(text, path, reader)
    else:
        raise BadSource(
            f"{path} holds no events: expected a HAR (*.har), a run record, events of the pytest fixture "
            "(--clickport-events), or stored rows as JSON lines with meta_keys"
        )


def _rows(text: str, path: Path) -> Iterator[Event]:
    try:
        rows = parse_lines(text, str(path))
    except TargetUnavailable as error:
        raise BadSource(str(error)) from error
    yield from (Event.from_row(row) for row in rows if row.type == STORED)


def _lines(text: str, path: Path, events: Callable[[Mapping[str, Any]], Iterator[Event]]) -> Iterator[Event]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield from events(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
                raise BadSource(f"{path}, line {number}: {type(error).__name__}: {error}") from error


def _of_case(line: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the custom events among the requests that a case of a run received."""
    received = line.get("received")
    for message in received if isinstance(received, list) else ():
        body = message.get("body") if isinstance(message, dict) else None
        if isinstance(body, str):
            try:
                event = read_event(body.encode("utf-8", "surrogatepass"))
            except Violation:
                continue
            if event:
                yield event
