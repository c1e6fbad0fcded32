"""Small SQLite files that the worker processes of a server share."""

import sqlite3
from pathlib import Path

_WAIT_SECONDS = 10


def open_shared(file: Path, tables: str, *, power: bool = False, erase: bool = False) -> sqlite3.Connection:
    """Open a file in write-ahead mode for every thread and process; make its folder and tables if missing.

    Committed changes outlive the process; with ``power`` a power cut as well. With ``erase`` deleted rows are
    overwritten. Raises OSError and sqlite3.Error.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(file, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if power else 'OFF'}")
        if erase:
            db.execute("PRAGMA secure_delete = ON")
        db.executescript(tables)
    except sqlite3.Error:
        db.close()
        raise
    return db
