"""Counters of refused requests, shared by all processes of a server and usable on a full disk.

The counters are in a small file of the state folder. Its space is allocated once and mapped into memory, so
counting never needs more disk.
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
    "rate_limit": "more requests from an address in a minute than CLICKPORT_RATE_LIMIT",
    "quota": "more events of a site in a month than CLICKPORT_QUOTA",
    "unknown_site": "the event names no registered site",
    "malformed": "the body is not a valid event",
    "too_large": "the body is larger than CLICKPORT_MAX_BODY",
    "incomplete": "the body did not arrive within CLICKPORT_BODY_SECONDS",
    "backlog": "the outbox cannot be written or is full",
}
"""Reasons for refusing an event, by their label in ``/metrics``."""

GONE_ACCEPTED, GONE_STORED = "gone_accepted", "gone_stored"
"""Events of outboxes that were removed after all their events had been stored."""

_NAMES = (*REASONS, GONE_ACCEPTED, GONE_STORED)
_COUNT = struct.Struct("<Q")
_BYTES = 4096


class Counts:
    """The counters of a folder. Safe for use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Map the counters. If the file cannot be written, count in this process only."""
        self._lock = threading.Lock()
        self._file: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "counts.bin", os.O_RDWR | os.O_CREAT, 0o600)
            # Allocated in advance, so that writing to the map never needs space.
            os.posix_fallocate(self._file, 0, _BYTES)
            self._map = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            _LOG.warning("%s cannot be used (%s): each process counts refusals on its own", folder, error)
            if self._file is not None:
                os.close(self._file)
            self._file, self._map = None, mmap.mmap(-1, _BYTES)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Exclude all other threads and processes from counting and from reading under this lock."""
        with self._lock:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._file is not None:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def add(self, **numbers: int) -> None:
        """Add to counters, given by name."""
        with self.exclusive():
            self.count(numbers)

    def count(self, numbers: Mapping[str, int]) -> None:
        """Add to counters; the caller holds ``exclusive``."""
        for name, number in numbers.items():
            place = _NAMES.index(name) * _COUNT.size
            [before] = _COUNT.unpack_from(self._map, place)
            _COUNT.pack_into(self._map, place, before + number)

    def read(self) -> dict[str, int]:
        """Return all counters by name."""
        return {
            name: _COUNT.unpack_from(self._map, place * _COUNT.size)[0] for place, name in enumerate(_NAMES)
        }

    def close(self) -> None:
        """Unmap and close the file."""
        self._map.close()
        if self._file is not None:
            os.close(self._file)
