"""Counts of the events in all outboxes of some folders, including those of processes that have ended."""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reference_server.delivery.damage import DamageMark, read_mark, readable_counts
from reference_server.delivery.outbox_file import is_copy, last_progress
from reference_server.storage.schema import decode_row

_CENSUS = """
SELECT
    (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'),
    (SELECT coalesce(sum(count), 0) FROM events),
    (SELECT count() FROM quarantine),
    (SELECT lines FROM events ORDER BY number LIMIT 1)
"""


@dataclass(frozen=True, kw_only=True)
class Census:
    """Totals over the outboxes of folders.

    ``accepted`` counts every event ever put into the outboxes that still exist, ``oldest`` is when the
    first pending event arrived, and ``lost`` counts the events that cannot be read.
    """

    accepted: int = 0
    pending: int = 0
    quarantined: int = 0
    lost: int = 0
    oldest: datetime | None = None
    damaged: tuple[Path, ...] = ()

    @property
    def stored(self) -> int:
        """Number of accepted events that ClickHouse has."""
        return max(self.accepted - self.pending - self.quarantined - self.lost, 0)


def census(*folders: Path) -> Census:
    """Return the totals over all outboxes of folders. Files may come and go meanwhile."""
    found = Census()
    for file in _outboxes(folders):
        mark = read_mark(file)
        if mark:
            found = _with_damaged(found, file, mark)
            continue
        try:
            with closing(_opened(file)) as db:
                accepted, pending, quarantined, first = db.execute(_CENSUS).fetchone()
            oldest = first and decode_row(first.partition(b"\n")[0]).timestamp
        except sqlite3.OperationalError:  # Removed meanwhile, or just created and still empty.
            if file.exists() and not file.stat().st_size:
                found = replace(found, damaged=(*found.damaged, file))
        except (sqlite3.Error, OSError, ValueError, AttributeError):
            # Damaged, but not contained yet: count what can be read.
            with closing(_opened(file)) as db:
                accepted, pending = readable_counts(db)
            reason = "not contained yet"
            accepted = 0 if is_copy(file) else accepted
            found = _with_damaged(found, file, DamageMark(reason=reason, accepted=accepted, pending=pending))
        else:
            times = [time for time in (found.oldest, oldest) if time]
            found = replace(
                found,
                accepted=found.accepted + (0 if is_copy(file) else accepted),
                pending=found.pending + pending,
                quarantined=found.quarantined + quarantined,
                oldest=min(times, default=None),
            )
    return found


def longest_stall(folders: Iterable[Path], since: float) -> float:
    """Return the longest time, in seconds, that an outbox has had pending events and stored none.

    Covers the outboxes of all processes. The time counts from ``since`` (monotonic clock) at the
    earliest. Damaged files are skipped.
    """
    longest = 0.0
    for file in _outboxes(folders):
        if read_mark(file):
            continue
        try:
            with closing(_opened(file)) as db:
                waits = db.execute("SELECT 1 FROM events LIMIT 1").fetchone()
        except sqlite3.Error:
            continue
        if waits:
            longest = max(longest, time.monotonic() - max(last_progress(file), since))
    return longest


def _outboxes(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from folder.glob("*.sqlite")


def _opened(file: Path) -> sqlite3.Connection:
    # mode=rw: a file that is removed meanwhile must not be created again.
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)


def _with_damaged(found: Census, file: Path, mark: DamageMark) -> Census:
    return replace(
        found,
        accepted=found.accepted + mark.accepted,
        pending=found.pending + (0 if mark.copied else mark.pending),
        lost=found.lost + mark.lost,
        damaged=(*found.damaged, file),
    )
