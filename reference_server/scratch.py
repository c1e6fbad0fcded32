"""Temporary folders that say whose they are, so that those of a killed process can be swept later."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"clickport-[a-z]+-(\d+)-\w+")


def make(kind: str) -> Path:
    """Create a folder for this process, private to this user, and sweep those of processes that are gone."""
    sweep()
    return Path(tempfile.mkdtemp(prefix=f"clickport-{kind}-{os.getpid()}-"))


def remove(folder: Path) -> None:
    """Remove a folder that ``make`` created. Files that vanish meanwhile are no fault."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def folder(kind: str) -> Iterator[Path]:
    """A folder for the length of a with block."""
    path = make(kind)
    try:
        yield path
    finally:
        remove(path)


def sweep() -> None:
    """Remove the folders whose owner is dead; a folder of a living process is never touched."""
    for path in Path(tempfile.gettempdir()).glob("clickport-*"):
        owner = _NAME.fullmatch(path.name)
        if owner and not _alive(int(owner[1])):
            remove(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Somebody else's process.
        return True
    return True
