"""Counters of refused requests, shared by all processes of a server; counting needs no disk.

A small file in the state folder is laid out once and mapped into memory: counting on a full disk works.
"""

import fcntl
import logging
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LOG = logging.getLogger(__name__)

REASONS = {
    "rate_limit": "more requests of an address in a minute than CLICKPORT_RATE_LIMIT",
    "quota": "more events of a site in a month than CLICKPORT_QUOTA",
    "unknown_site": "no registered site",
    "malformed": "no event",
    "too_large": "a body larger than CLICKPORT_MAX_BODY",
    "incomplete": "a body that did not come in CLICKPORT_BODY_SECONDS",
    "backlog": "the outbox cannot be written, or has no room",
}
"""Why an event is not taken, as the metrics name it."""

GONE_ACCEPTED, GONE_STORED = "gone_accepted", "gone_stored"
"""Events of outboxes that are gone, since all that was in them is stored."""

_NAMES = (*REASONS, GONE_ACCEPTED, GONE_STORED)
_COUNT = struct.Struct("<Q")
_BYTES = 4096


class Counts:
    """The counters in a folder. Safe for use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Map the counters. Without room for them on disk they count in this process alone."""
        self._lock = threading.Lock()
        self._file: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "counts.bin", os.O_RDWR | os.O_CREAT, 0o600)
            # Laid out, so that writing to the map can never need room.
            os.posix_fallocate(self._file, 0, _BYTES)
            self._map = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            _LOG.warning("refusals are counted by each process alone: %s", error)
            if self._file is not None:
                os.close(self._file)
            self._file, self._map = None, mmap.mmap(-1, _BYTES)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep all others from counting and from reading under this lock."""
        with self._lock:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._file is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def add(self, **numbers: int) -> None:
        """Add to counters by their names."""
        with self.exclusive():
            self.count(numbers)

    def count(self, numbers: Mapping[str, int]) -> None:
        """Add to counters, within ``exclusive``."""
        for name, number in numbers.items():
            place = _NAMES.index(name) * _COUNT.size
            [before] = _COUNT.unpack_from(self._map, place)
            _COUNT.pack_into(self._map, place, before + number)

    def read(self) -> dict[str, int]:
        """Return all counters."""
        return {
            name: _COUNT.unpack_from(self._map, place * _COUNT.size)[0] for place, name in enumerate(_NAMES)
        }

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        if self._file is not None:
            os.close(self._file)
