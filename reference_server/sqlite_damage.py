"""Errors of SQLite that mean a damaged file."""

import sqlite3

# Other codes are those of a full disk, of a lock, or of a folder that cannot be used: the file may be sound.
_PRIMARY = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_EXTENDED = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_READONLY_DBMOVED,
}


class Damaged(sqlite3.DatabaseError):
    """The file holds what this program did not write there."""


def is_damage(error: Exception) -> bool:
    """Return whether an error says that the file is damaged, and not that it cannot be used now."""
    if isinstance(error, Damaged):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    # An emptied file is a database without tables.
    return code & 0xFF in _PRIMARY or code in _EXTENDED or str(error).startswith("no such table")
