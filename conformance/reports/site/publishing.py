"""Publishing of a site in one step: readers see the old site or the new one, never a mixture."""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

MARKER = "clickport-results.json"
"""The file by which a site is recognised; it holds the data of all pages."""

_AT_FDCWD, _EXCHANGE = -100, 2


class BadFolder(ValueError):
    """The site's folder is something else, which must not be replaced."""


def require_replaceable(folder: Path) -> None:
    """Raise BadFolder unless ``folder`` is absent, empty, or a site made by this command."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadFolder(f"{folder} is a file: name a folder")
    if not (folder / MARKER).is_file() and any(folder.iterdir()):
        raise BadFolder(f"{folder} has files, and none is {MARKER}: name a new folder, or an earlier site's")


def publish(folder: Path, files: Mapping[str, str]) -> None:
    """Replace ``folder`` by one with these files, by their relative paths. Raises BadFolder or OSError.

    The files are written beside it and moved into place by one rename, or by an exchange if there is a site
    already. If that fails or is interrupted, the old site is as it was.
    """
    require_replaceable(folder)
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as drafts:
        draft = Path(drafts, "site")
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        if not place.exists():
            draft.rename(place)
        elif not _exchanged(draft, place):
            _replace(draft, place, Path(drafts, "old"))


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders atomically, as Linux can; return False where that is not possible."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done: int = exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return done == 0


def _replace(draft: Path, place: Path, old: Path) -> None:
    """Put ``draft`` in the place of a folder by two renames; put the folder back if the second fails."""
    try:
        place.rename(old)
        draft.rename(place)
    except BaseException:
        if old.exists():
            if place.exists():
                shutil.rmtree(place)
            old.rename(place)
        raise
