"""Adoption of the outboxes of a node that has ended for good, on a disk that is now mounted here.

Its files stay where they are and keep their names, and so their tokens: what the node stored is not stored
again.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reference_server.delivery.outbox_file import locked, unlock

_LOCK = "adoption.lock"


class CannotAdopt(ValueError):
    """A folder cannot be adopted; the message names it and the way out."""


@contextmanager
def adoption(given: Iterable[Path], own: Path) -> Iterator[tuple[Path, ...]]:
    """Reserve the outbox folders at the given paths for a with block; ``own`` is that of this server.

    A path is a data folder, its state folder, or the outbox folder itself. Raises CannotAdopt.
    """
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_reserved(_outboxes_in(path), own)) for path in given)


def _outboxes_in(given: Path) -> Path:
    for folder in (given / "state" / "outbox", given / "outbox"):
        if folder.is_dir():
            return folder.resolve()
    if given.is_dir() and (given.name == "outbox" or any(given.glob("*.sqlite"))):
        return given.resolve()
    raise CannotAdopt(
        f"--adopt-outbox {given}: this is no outbox: give the folder that was --data of the ended node "
        "(its outbox is state/outbox in it)"
    )


@contextmanager
def _reserved(folder: Path, own: Path) -> Iterator[Path]:
    if folder == own.resolve():
        raise CannotAdopt(
            f"--adopt-outbox {folder}: this is the outbox of this server, which stores it anyway"
        )
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotAdopt(
            f"--adopt-outbox {folder}: it cannot be written ({error.strerror or error}), and what is stored "
            "must be removed from it: mount it read-write, for the user of this server"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotAdopt(
                f"--adopt-outbox {folder}: another server is adopting it: leave it to that one"
            ) from None
        for file in sorted(folder.glob("*.sqlite")):
            held = locked(file)
            if held is None:
                raise CannotAdopt(
                    f"--adopt-outbox {folder}: it is in use, {file.name} belongs to a running server: "
                    "stop that one, or leave its events to it"
                )
            unlock(file, held)
        yield folder
    finally:
        os.close(lock)
