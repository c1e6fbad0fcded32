"""SQLite files of the state folder, shared by worker processes and replaced if damaged."""

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reference_server.sqlite_damage import is_damage

_LOG = logging.getLogger(__name__)

Values = Sequence[Any] | Mapping[str, Any]


class StateFile:
    """A SQLite file. Safe for use from several threads and processes.

    A damaged file is kept under another name, and a new, empty one takes its place.
    """

    def __init__(self, file: Path, tables: str, *pragmas: str) -> None:
        """Open or create a file with these tables. Raises OSError and sqlite3.Error."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._tables = tables
        self._pragmas = pragmas
        self._lock = threading.Lock()
        try:
            self._db = self._opened()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._db = self._begun_anew(error)

    def ask(self, query: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows. Raises sqlite3.Error."""
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                self._db.close()
                self._db = self._begun_anew(error)
                return self._db.execute(query, values).fetchall()

    def ask_many(self, query: str, rows: Iterable[Values]) -> None:
        """Execute a statement for each of the rows. Raises sqlite3.Error."""
        with self._lock:
            self._db.executemany(query, rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _opened(self) -> sqlite3.Connection:
        self._inode = self._found()
        db = sqlite3.connect(self._file, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = WAL", *self._pragmas):
                db.execute(f"PRAGMA {pragma}")
            db.executescript(self._tables)
            self._inode = self._found()
        except BaseException:
            db.close()
            raise
        return db

    def _found(self) -> int:
        """Return the inode of the file at this path, or 0."""
        try:
            return self._file.stat().st_ino
        except OSError:
            return 0

    def _begun_anew(self, error: sqlite3.Error) -> sqlite3.Connection:
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            # If the inode differs, another process has replaced the file already.
            if self._found() == self._inode:
                with suppress(OSError):
                    self._set_aside(error)
            return self._opened()
        finally:
            os.close(folder)

    def _set_aside(self, error: sqlite3.Error) -> None:
        kept = self._file.with_name(f"{self._file.name}.{os.urandom(4).hex()}.damaged")
        _LOG.error(
            "%s is damaged (%s): it is kept as %s and replaced by an empty file", self._file, error, kept.name
        )
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        self._file.rename(kept)
