"""Rows that a query describes, stored as the server stores events."""

from collections.abc import Sequence
from decimal import Decimal

from clickhouse_connect.driver.client import Client

from reference_server.event import EventRow
from reference_server.storage.store import store

_EMPTY = dict.fromkeys(EventRow._fields, "") | {
    "meta_keys": (),
    "meta_values": (),
    "revenue_source_amount": None,
}


def store_query(client: Client, query: str, columns: Sequence[str]) -> None:
    """Store the result of a query, given by columns of events, in all tables."""
    found = client.query(f"SELECT {', '.join(columns)} FROM ({query})").result_rows
    rows = [_EMPTY | dict(zip(columns, row, strict=True)) for row in found]
    for row in rows:
        if row["revenue_source_amount"] is not None:
            row["revenue_source_amount"] = Decimal(str(row["revenue_source_amount"]))
    store(client, (EventRow(**row) for row in rows))
