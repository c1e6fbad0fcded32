"""Classification of SQLite errors that mean a damaged file."""

import sqlite3

# Other codes mean a full disk, a lock, or an unusable folder; the file may be intact.
_PRIMARY = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_EXTENDED = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_READONLY_DBMOVED,
}


class Damaged(sqlite3.DatabaseError):
    """The file contains data that this program did not write."""


def is_damage(error: Exception) -> bool:
    """Return True if an error means that the file is damaged rather than temporarily unusable."""
    if isinstance(error, Damaged):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    # A truncated file of no bytes is a database without tables.
    return code & 0xFF in _PRIMARY or code in _EXTENDED or str(error).startswith("no such table")
