"""The SQLite file of an outbox: its tables, its lock, when it last got shorter, and what shows damage."""

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reference_server.sqlite_damage import Damaged

# Events are numbered, and what was accepted together is kept together: a block has the number of its last.
# AUTOINCREMENT: a number is never given twice, so that a token never names two sets of rows.
TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, lines BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS quarantine (number INTEGER PRIMARY KEY, row BLOB NOT NULL, reason TEXT NOT NULL);
"""
INSERT = "INSERT INTO events (number, count, lines) VALUES (?, ?, ?)"
LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
COPY = ".rest"
"""What follows the name of a damaged outbox in that of the copy of its readable events."""

Block = tuple[int, int, bytes]
"""Number of the last event, how many there are, and their rows, a line each."""

_PROGRESS = struct.Struct("<d")


def checked(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks that are what was written, as far as their form tells. Raises Damaged."""
    for number, count, lines in blocks:
        whole = isinstance(number, int) and isinstance(count, int) and isinstance(lines, bytes)
        if not whole or lines.count(b"\n") + 1 != count:
            raise Damaged(f"the block of event {number} is not what was written")
        yield number, count, lines


def token_name(file: Path) -> str:
    """Return the name by which tokens and staging tables begin: a copy goes on with the tokens it had."""
    return file.stem.partition(".")[0]


def is_copy(file: Path) -> bool:
    """Return whether a file has the readable events of a damaged one, which counts them as accepted."""
    return COPY in file.stem


def locked(file: Path) -> int | None:
    """Lock an outbox for this process, until it ends in whatever way; None if another process has it."""
    lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def unlock(file: Path, lock: int) -> None:
    """Let other processes have an outbox."""
    if not file.exists():
        file.with_suffix(".lock").unlink(missing_ok=True)
    os.close(lock)


def note_progress(lock: int) -> None:
    """Write into the lock file that events were stored now, or that the first one waits since now.

    By the monotonic clock, which all processes of a machine share.
    """
    with suppress(OSError):  # A full disk: the outbox tells of that.
        os.pwrite(lock, _PROGRESS.pack(time.monotonic()), 0)


def last_progress(file: Path) -> float:
    """Return when events of an outbox were stored last, by the monotonic clock; 0.0 if nobody knows."""
    try:
        [when] = _PROGRESS.unpack(file.with_suffix(".lock").read_bytes()[: _PROGRESS.size])
    except (OSError, struct.error):
        return 0.0
    # One of before a start of the machine may be ahead of now.
    return float(when) if when <= time.monotonic() else 0.0


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a power cut."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
