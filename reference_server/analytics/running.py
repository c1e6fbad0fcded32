"""The queries of a request, so that they can be watched and ended while they run."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from reference_server.storage.client import Clients

QUERY_SECONDS = 25
"""A query that takes longer fails; the client would not wait for it either."""

_TIMEOUT_EXCEEDED = 159
_KILL = "KILL QUERY WHERE startsWith(query_id, {prefix:String}) ASYNC"
_PROGRESS = """
SELECT toUInt64(sum(read_rows)), toUInt64(sum(total_rows_approx)) FROM system.processes
WHERE startsWith(query_id, {prefix:String})
"""
_LOG = logging.getLogger(__name__)


class Left(Exception):
    """The client has left: the result is not needed."""


class TooSlow(Exception):
    """The queries took longer than they may."""


@dataclass(frozen=True, kw_only=True)
class QueryProgress:
    """Rows that running queries have read, and about how many they will have read."""

    read: int
    total: int


class Running:
    """The queries of one request; ``name`` identifies them to those who ask for their progress."""

    def __init__(self, clients: Clients, name: str = "", seconds: float | None = None) -> None:
        self._clients = clients
        self._prefix = _prefix(name or secrets.token_hex(16))
        self._number = 0
        self._left = threading.Event()
        self._until = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> bool:
        """True after ``end``."""
        return self._left.is_set()

    def settings(self) -> dict[str, object]:
        """Return the settings of the next query. Raises Left and TooSlow."""
        if self._left.is_set():
            raise Left
        self._number += 1
        rest = QUERY_SECONDS if self._until is None else self._until - time.monotonic()
        if rest <= 0:
            raise TooSlow
        return {"query_id": f"{self._prefix}{self._number}", "max_execution_time": rest}

    def within(self, seconds: float) -> "Running":
        """Return the same queries with a limit; those after it go on without one."""
        limited = copy(self)  # The copy shares the events that end the queries.
        limited._prefix += "limited-"
        limited._until = time.monotonic() + seconds
        return limited

    def end(self) -> None:
        """End the running query, and let no other begin. Callable from any thread; never raises."""
        self._left.set()
        try:
            for client in self._clients.each():  # Any of them may run it.
                client.command(_KILL, {"prefix": self._prefix})
        except (ClickHouseError, OSError) as error:
            _LOG.warning("a query whose client has left could not be ended: %s", error)


_CURRENT: ContextVar[Running | None] = ContextVar("running", default=None)


@contextmanager
def limited(clients: Clients, seconds: float) -> Iterator[None]:
    """Limit the time of all queries of a with block together."""
    outer = _CURRENT.get()
    token = _CURRENT.set(outer.within(seconds) if outer else Running(clients, seconds=seconds))
    try:
        yield
    except DatabaseError as error:
        if error.code == _TIMEOUT_EXCEEDED:
            raise TooSlow from None
        raise
    finally:
        _CURRENT.reset(token)


def begin(running: Running | None) -> None:
    """Set the queries to which further ones of this thread belong."""
    _CURRENT.set(running)


def is_left() -> bool:
    """Return True if the client of this thread's request has left."""
    running = _CURRENT.get()
    return running is not None and running.left


def settings() -> dict[str, object]:
    """Return the settings of the next query of this thread. Raises Left."""
    running = _CURRENT.get()
    return running.settings() if running else {"max_execution_time": QUERY_SECONDS}


def progress(clients: Clients, name: str) -> QueryProgress:
    """Return the progress of the queries with this name; zeros if none runs."""
    values = {"prefix": _prefix(name)}
    found = [client.query(_PROGRESS, values).result_rows[0] for client in clients.each()]
    return QueryProgress(read=sum(read for read, _ in found), total=sum(total for _, total in found))


def _prefix(name: str) -> str:
    return f"clickport-{name}-"
