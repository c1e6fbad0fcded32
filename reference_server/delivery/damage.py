"""Contain damaged outboxes: keep each file unchanged, mark it, and copy its readable events to a new outbox.

The mark is a small JSON file beside the outbox with the reason and the counts. The copy keeps the numbers,
steps and tokens of the damaged file, so ClickHouse recognises what it has already and each event is stored
once. The mark records that the copy is complete before the copy is renamed to an outbox: if the process ends
at any point, the next one continues from there and never makes a second copy.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reference_server.delivery.outbox_file import (
    COPY,
    INSERT,
    LAST,
    TABLES,
    Block,
    checked,
    is_copy,
    sync_folder,
)
from reference_server.delivery.steps import InsertStep, prepare, read_steps, write
from reference_server.sqlite_damage import Damaged
from reference_server.storage.schema import decode_row

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DamageMark:
    """Counts of the events of a damaged outbox, as far as they are known.

    ``accepted`` events were ever put into it, ``pending`` of them were not stored, and ``lost`` of those
    cannot be read.
    """

    reason: str
    accepted: int = 0
    pending: int = 0
    lost: int = 0
    copied: bool = False
    """True if the copy is complete."""


def read_mark(file: Path) -> DamageMark | None:
    """Return the mark of an outbox, or None if the file is not known to be damaged."""
    try:
        return DamageMark(**json.loads(file.with_suffix(".damaged").read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        return DamageMark(reason=f"its mark {file.with_suffix('.damaged')} cannot be read: {error}")


def write_mark(file: Path, mark: DamageMark) -> None:
    """Mark an outbox as damaged, durably. Raises OSError."""
    place = file.with_suffix(".damaged")
    draft = place.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as opened:
        json.dump(asdict(mark), opened)
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(place)
    sync_folder(file.parent)


def tell_kept(folder: Path) -> None:
    """Log a warning for each damaged outbox that an earlier run contained."""
    for place in sorted(folder.glob("*.damaged")):
        mark = read_mark(place)
        if mark and mark.copied and place.with_suffix(".sqlite").exists():
            _LOG.warning(
                "the damaged outbox %s is kept (%s); its readable events were copied",
                place.with_suffix(".sqlite"),
                mark.reason,
            )


def is_contained(file: Path) -> bool:
    """Return True if a damaged outbox needs no further work."""
    mark = read_mark(file)
    return bool(mark and mark.copied and not _draft(file).exists())


def contain(file: Path, reason: str) -> None:
    """Copy the readable events of a damaged outbox to a new one, and log the damage.

    The calling process must hold the lock of the file and have no connection to it. Raises OSError and
    sqlite3.Error if the copy cannot be written; the next call starts again.
    """
    mark = read_mark(file) or DamageMark(reason=reason)
    if not mark.copied:
        _draft(file).unlink(missing_ok=True)
        copied, (accepted, waiting) = _copy(file)
        accepted = 0 if is_copy(file) else mark.accepted or accepted
        pending = mark.pending or max(waiting, copied)
        mark = replace(mark, accepted=accepted, pending=pending, lost=max(pending - copied, 0), copied=True)
        write_mark(file, mark)
        _LOG.error(
            "the outbox %s is damaged (%s): the file is kept, %d readable events continue in a copy, "
            "and %s events are unreadable",
            *(file, mark.reason, copied, mark.lost if mark.pending else "an unknown number of"),
        )
    if _draft(file).exists():
        _draft(file).rename(file.with_name(f"{file.stem}{COPY}.sqlite"))
        sync_folder(file.parent)


def _draft(file: Path) -> Path:
    return file.with_suffix(".salvage")


def _copy(file: Path) -> tuple[int, tuple[int, int]]:
    """Write the readable events, if any, to a draft; return their number and the counts of the file."""
    try:
        source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    except sqlite3.Error:
        return 0, (0, 0)
    with closing(source):
        found = readable_counts(source)
        try:
            steps = list(read_steps(source))
        except sqlite3.Error:  # Without the steps it is unknown which events are stored.
            return 0, found
        return _write(_draft(file), source, steps), found


def _write(draft: Path, source: sqlite3.Connection, steps: list[InsertStep]) -> int:
    copied = 0
    with closing(sqlite3.connect(draft, isolation_level=None)) as target:
        target.executescript(TABLES)
        prepare(target)
        target.execute("BEGIN")
        for number, count, lines in _readable(source):
            target.execute(INSERT, (number, count, lines))
            copied += count
        for step in steps:
            write(target, step)
        refused = 0
        for row in _rows(source, "SELECT number, row, reason FROM quarantine ORDER BY number"):
            target.execute("INSERT INTO quarantine VALUES (?, ?, ?)", row)
            refused += 1
        target.execute("COMMIT")
    if not copied and not refused:
        draft.unlink()
    return copied


def readable_counts(source: sqlite3.Connection) -> tuple[int, int]:
    """Return how many events a damaged outbox has accepted and how many are pending, as far as readable."""
    accepted = sum(number for [number] in _rows(source, LAST))
    return accepted, sum(count for _, count in _numbers(source))


def _readable(source: sqlite3.Connection) -> Iterator[Block]:
    """Yield, in order, the blocks that can be read and whose rows are well-formed."""
    last = 0
    for number, _ in _numbers(source):
        try:
            query = "SELECT number, count, lines FROM events WHERE number = ?"
            for block in checked(source.execute(query, (number,)).fetchall()):
                if block[0] - block[1] < last:
                    raise Damaged("two blocks have the same event")
                for line in block[2].split(b"\n"):
                    decode_row(line)
                last = block[0]
                yield block
        except (sqlite3.Error, ValueError):
            continue


def _numbers(source: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return number and count of the blocks readable from either end; their rows may still be damaged."""
    query = "SELECT number, count FROM events ORDER BY number"
    found = {*_rows(source, query), *_rows(source, f"{query} DESC")}
    return sorted((number, count) for number, count in found if isinstance(count, int))


def _rows(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query until one cannot be read."""
    try:
        yield from source.execute(query)
    except sqlite3.Error:
        return
