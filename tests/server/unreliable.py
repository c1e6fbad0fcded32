"""A way to ClickHouse on which statements go wrong, for the tests of the loader."""

from collections.abc import Callable
from typing import Any

from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from reference_server.storage.client import Clients
from reference_server.storage.store import TABLES

Decide = Callable[[str], str]
"""Gets the table of an insert that stores rows, and returns a fault, or "" to let it pass.

``before``: ClickHouse is not reached; ``after``: its answer gets lost; ``refused``: it has too little memory.
"""


class Unreliable(Clients):
    """Clients that get so many odd greetings, and whose inserts go wrong as is decided; these are counted."""

    def __init__(self, url: str, decide: Decide, greetings: int = 0) -> None:
        super().__init__(url)
        self._decide = decide
        self._greetings = greetings
        self.inserts = 0

    def get(self) -> Any:
        """Stand in for the client as far as the loader uses it."""
        if self._greetings:
            self._greetings -= 1
            raise ValueError("that is no version: <html>")
        return self

    def query(self, *values: Any, **options: Any) -> Any:
        """Ask ClickHouse."""
        return super().get().query(*values, **options)

    def insert(self, *values: Any, **options: Any) -> Any:
        """Insert, as migrations do."""
        return super().get().insert(*values, **options)

    def command(self, text: str, *values: Any, **options: Any) -> Any:
        """Carry out a statement, or fail as is decided."""
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
    """Decide on these faults for the first inserts, and let all others pass."""
    left = list(faults)
    return lambda _: left.pop(0) if left else ""
