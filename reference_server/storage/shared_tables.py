"""Small tables that all nodes share: what people set, the logins that were ended, and the imports.

The newest row of a key counts. A change is a new row with a higher version; a deletion is a row too. A node
reads a table again after a second at most, and at once after a change of its own.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from reference_server.storage.client import Clients, insert
from reference_server.storage.layout import Table

SETTINGS, ENDED_LOGINS, IMPORTS = "site_settings", "ended_logins", "imports"

_COLUMNS = {
    "site": "String",
    "kind": "LowCardinality(String)",
    "name": "String",
    "value": "String",
    "deleted": "UInt8",
    "version": "UInt64",
}


TABLES = (
    Table(
        name=SETTINGS,
        columns=", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items()),
        engine="ReplacingMergeTree(version)",
        order="ORDER BY (site, kind, name)",
    ),
    Table(
        name=ENDED_LOGINS,
        columns="login String, expires DateTime('UTC')",
        engine="ReplacingMergeTree",
        # A login that has expired is invalid without a row.
        order="ORDER BY login TTL expires",
    ),
    Table(
        name=IMPORTS,
        columns="site LowCardinality(String), id String, digest String, events UInt64, "
        "at DateTime DEFAULT now()",
        engine="MergeTree",
        order="ORDER BY (site, id)",
    ),
)

CACHE_SECONDS = 1.0
"""Seconds for which a node may answer from what it has read before."""

ERRORS = (ClickHouseError, OSError, ValueError, TypeError)
"""Errors of a ClickHouse that does not answer; an unexpected handshake raises the last two."""

# Versions are microseconds, followed by bits that decide between changes of the same microsecond.
_RANDOM_BITS = 12
# The newest row, whether or not ClickHouse has merged it with older ones; the value decides between equals.
_NEWEST = f"""
SELECT kind, name, argMax((value, deleted), (version, value, deleted)) AS newest, max(version)
FROM {SETTINGS} WHERE site = {{site:String}} GROUP BY kind, name
"""  # noqa: S608

Content = TypeVar("Content")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The newest row of a key of a site; the key is ``kind`` and ``name``."""

    kind: str
    name: str
    value: str
    deleted: bool = False
    version: int = 0


def next_version(known: int = 0) -> int:
    """Return a version later than the known one, and than earlier ones of a node with a correct clock."""
    now = time.time_ns() // 1000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return max(now, known + 1)


def read(client: Client, site: str) -> tuple[Setting, ...]:
    """Return the settings of a site, deletions included. Raises clickhouse-connect's errors."""
    rows = client.query(_NEWEST, parameters={"site": site}).result_rows
    return tuple(
        Setting(kind=kind, name=name, value=value, deleted=bool(deleted), version=version)
        for kind, name, (value, deleted), version in rows
    )


def write(client: Client, site: str, settings: Iterable[Setting]) -> None:
    """Store settings of a site. Raises clickhouse-connect's errors."""
    rows = [[site, each.kind, each.name, each.value, int(each.deleted), each.version] for each in settings]
    insert(client, SETTINGS, [*_COLUMNS], rows)


@contextmanager
def changing(marker: Path) -> Iterator[None]:
    """Exclude other changes on this node for a with block; ``marker`` is that of ``Cached``."""
    marker.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class Cached(Generic[Content]):
    """The result of a query, asked again after CACHE_SECONDS or after a change on this node.

    ``marker`` is a file that all processes of the node share; its time is that of the last change. Safe for
    use from several threads.
    """

    def __init__(self, clients: Clients, marker: Path, query: Callable[[Client], Content]) -> None:
        self._clients = clients
        self._marker = marker
        self._query = query
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._change = -1
        self._error: Exception | None = None
        self._content: Content | None = None

    def get(self) -> Content:
        """Return the result. Raises clickhouse-connect's errors if ClickHouse does not answer."""
        with self._lock:
            change = self._last_change()
            if time.monotonic() - self._asked >= CACHE_SECONDS or change != self._change:
                self._ask(change)
            if self._error:
                raise self._error.with_traceback(None)
            assert self._content is not None
            return self._content

    def last(self) -> Content:
        """Return the result, or the last known one. Raises like ``get`` if none is known."""
        try:
            return self.get()
        except ERRORS:
            if self._content is None:
                raise
            return self._content

    def changed(self) -> None:
        """Make all processes of this node ask again."""
        with suppress(OSError):  # On a full disk, other processes ask again when their second is over.
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
            now = time.time_ns()
            os.utime(self._marker, ns=(now, now))  # Finer than the kernel's clock for files.
        self._asked = float("-inf")

    def _ask(self, change: int) -> None:
        self._error = None
        try:
            self._content = self._clients.run(self._query)
        except ERRORS as error:
            self._error = error
        # Measured afterwards: an unreachable ClickHouse is not asked again by each waiting thread.
        self._asked, self._change = time.monotonic(), change

    def _last_change(self) -> int:
        try:
            return self._marker.stat().st_mtime_ns
        except OSError:
            return 0
