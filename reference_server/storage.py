"""Where accepted events go."""

import secrets
from typing import Protocol

from clickhouse_connect.driver.exceptions import ClickHouseError

from reference_server.clickhouse.client import Clients
from reference_server.clickhouse.schema import EVENT_TYPES, EventRow


class StoreUnavailable(Exception):
    """The event could not be stored now; the sender may try again."""


class EventStore(Protocol):
    """Keeps events. What ``add`` returned for is kept (STORE-5)."""

    def add(self, row: EventRow) -> None:
        """Keep one event. Raises StoreUnavailable when it is not kept."""
        ...


class DirectStore:
    """Inserts each event into ClickHouse before the sender gets an answer."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def add(self, row: EventRow) -> None:
        """Insert one row. Raises StoreUnavailable."""
        try:
            self._clients.get().insert(
                "events",
                [[value] for value in row],
                column_names=tuple(EVENT_TYPES),
                column_type_names=tuple(EVENT_TYPES.values()),
                column_oriented=True,
                # The client repeats a request whose connection broke, and without a token the table would
                # take an event that equals an earlier one for such a repetition.
                settings={"insert_deduplication_token": secrets.token_hex(16)},
            )
        except ClickHouseError as error:
            raise StoreUnavailable(f"ClickHouse did not take the event: {error}") from error
