"""The SQLite file of an outbox: tables, lock, time of the last progress, and signs of damage."""

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reference_server.sqlite_damage import Damaged

# Events are numbered. Events accepted together share a block, which has the number of its last event.
# AUTOINCREMENT never reuses a number, so a token never names two sets of rows.
TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, lines BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS quarantine (number INTEGER PRIMARY KEY, row BLOB NOT NULL, reason TEXT NOT NULL);
"""
INSERT = "INSERT INTO events (number, count, lines) VALUES (?, ?, ?)"
LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
COPY = ".rest"
"""Suffix of the name of a copy, which holds the readable events of a damaged outbox."""

Block = tuple[int, int, bytes]
"""Number of the last event, number of events, and their rows, one per line."""

_PROGRESS = struct.Struct("<d")


def checked(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks that have a valid form. Raises Damaged for one that has not."""
    for number, count, lines in blocks:
        whole = isinstance(number, int) and isinstance(count, int) and isinstance(lines, bytes)
        if not whole or lines.count(b"\n") + 1 != count:
            raise Damaged(f"the block of event {number} is malformed")
        yield number, count, lines


def token_name(file: Path) -> str:
    """Return the prefix of tokens and staging tables; a copy keeps the one of the damaged outbox."""
    return file.stem.partition(".")[0]


def is_copy(file: Path) -> bool:
    """Return True if a file is the copy of a damaged outbox, which counts the events as accepted."""
    return COPY in file.stem


def locked(file: Path) -> int | None:
    """Lock an outbox until this process ends; return None if another process holds it."""
    lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def unlock(file: Path, lock: int) -> None:
    """Release an outbox to other processes."""
    if not file.exists():
        file.with_suffix(".lock").unlink(missing_ok=True)
    os.close(lock)


def note_progress(lock: int) -> None:
    """Record in the lock file that events were stored now, or that the first event began to wait now.

    The time is that of the monotonic clock, which all processes of a machine share.
    """
    with suppress(OSError):  # On a full disk the outbox itself reports the error.
        os.pwrite(lock, _PROGRESS.pack(time.monotonic()), 0)


def last_progress(file: Path) -> float:
    """Return when events of an outbox were last stored (monotonic clock), or 0.0 if unknown."""
    try:
        [when] = _PROGRESS.unpack(file.with_suffix(".lock").read_bytes()[: _PROGRESS.size])
    except (OSError, struct.error):
        return 0.0
    # A value written before the machine was restarted may lie in the future.
    return float(when) if when <= time.monotonic() else 0.0


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
