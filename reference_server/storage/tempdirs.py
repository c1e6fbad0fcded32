"""Temporary folders locked by their owner, so that those of a killed process can be removed later.

The lock is the kernel's (flock): it ends with the process in any case, and it works across containers that
share the folder, where process ids have no meaning.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"
# Child processes do not inherit the descriptors, so a child that outlives us does not keep a folder locked.
_held: dict[Path, int] = {}


def make(kind: str) -> Path:
    """Create a folder that is private to this user, and remove those of processes that have ended."""
    sweep()
    path = Path(tempfile.mkdtemp(prefix=f"clickport-{kind}-"))
    # Lock the file before it gets its name: a sweep never finds the lock of a running owner free.
    unnamed = path / f"{_LOCK}.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(path / _LOCK)
    _held[path] = lock
    return path


def remove(folder: Path) -> None:
    """Remove a folder that ``make`` created. Files that vanish meanwhile are ignored."""
    _remove(folder)
    if (lock := _held.pop(folder, None)) is not None:
        os.close(lock)


@contextmanager
def folder(kind: str) -> Iterator[Path]:
    """Provide a temporary folder for a with block."""
    path = make(kind)
    try:
        yield path
    finally:
        remove(path)


def sweep() -> None:
    """Remove the folders whose owners have ended.

    A folder without a lock is kept: it may have just been created, or come from an older version (which
    put its process id into the name) or from another program.
    """
    for path in Path(tempfile.gettempdir()).glob("clickport-*"):
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # No lock file, not our folder, or removed meanwhile.
            continue
        try:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last, so that a later sweep completes an interrupted removal."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
