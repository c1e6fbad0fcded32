"""A client of ClickHouse with faults, for tests of the loader."""

from collections.abc import Callable
from typing import Any

from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from reference_server.storage.client import Clients
from reference_server.storage.store import TABLES

Decide = Callable[[str], str]
"""Takes the table of an insert and returns a fault, or "" for none.

``before``: the insert does not reach ClickHouse; ``after``: its answer gets lost; ``refused``: not enough
memory.
"""


class Unreliable(Clients):
    """Clients with failing handshakes and inserts, as decided by a function; both are counted."""

    def __init__(self, url: str, decide: Decide, greetings: int = 0) -> None:
        super().__init__(url)
        self._decide = decide
        self._greetings = greetings
        self.inserts = 0

    def get(self) -> Any:
        """Return this object, which replaces the client for the loader."""
        if self._greetings:
            self._greetings -= 1
            raise ValueError("that is no version: <html>")
        return self

    def query(self, *values: Any, **options: Any) -> Any:
        """Query ClickHouse."""
        return super().get().query(*values, **options)

    def command(self, text: str, *values: Any, **options: Any) -> Any:
        """Execute a statement, or fail as decided."""
        table = text.removeprefix("INSERT INTO ").split()[0]
        fault = ""
        if text.startswith("INSERT INTO ") and table in TABLES:
            self.inserts += 1
            fault = self._decide(table)
        if fault == "before":
            raise OperationalError("connection refused")
        if fault == "refused":
            raise DatabaseError("(MEMORY_LIMIT_EXCEEDED)", code=241)
        done = super().get().command(text, *values, **options)
        if fault == "after":
            raise OperationalError("no answer in time")
        return done


def one_after_the_other(*faults: str) -> Decide:
    """Return a decision that applies these faults to the first inserts and none to later ones."""
    left = list(faults)
    return lambda _: left.pop(0) if left else ""
