"""Temporary folders that their owner keeps locked, so that those of a killed process can be swept later.

The lock is the kernel's (flock): it goes with the process, however that ends, and holds against processes of
other containers that share the folder, where the owner's process id means nothing.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"
# Descriptors are not inherited by programs that we start: a child that outlives us keeps no folder alive.
_held: dict[Path, int] = {}


def make(kind: str) -> Path:
    """Create a folder for this process, private to this user, and sweep those of processes that are gone."""
    sweep()
    path = Path(tempfile.mkdtemp(prefix=f"clickport-{kind}-"))
    # Locked before it has its name: no sweep ever finds the lock of a living owner free.
    unnamed = path / f"{_LOCK}.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(path / _LOCK)
    _held[path] = lock
    return path


def remove(folder: Path) -> None:
    """Remove a folder that ``make`` created. Files that vanish meanwhile are no fault."""
    _remove(folder)
    if (lock := _held.pop(folder, None)) is not None:
        os.close(lock)


@contextmanager
def folder(kind: str) -> Iterator[Path]:
    """A folder for the length of a with block."""
    path = make(kind)
    try:
        yield path
    finally:
        remove(path)


def sweep() -> None:
    """Remove the folders whose owner is gone.

    A folder without a lock stays: it may have been made a moment ago, or by an older version, which named its
    process id instead, or belong to somebody else.
    """
    for path in Path(tempfile.gettempdir()).glob("clickport-*"):
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # No lock, no folder of ours, or gone meanwhile.
            continue
        try:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: what is broken off here is swept later."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
