"""The tables, created when missing and changed by migrations that may run twice or concurrently."""

from collections.abc import Callable, Sequence

import msgspec
from clickhouse_connect.driver.client import Client

from reference_server.event import AMOUNT_SCALE, EventRow
from reference_server.storage import rollups

_AMOUNT = f"Nullable(Decimal(38, {AMOUNT_SCALE}))"


EVENT_TYPES = {
    "site_id": "LowCardinality(String)",
    "timestamp": "DateTime64(3, 'UTC')",
    "type": "LowCardinality(String)",
    "name": "String",
    "visitor_id": "String",
    "session_id": "String",
    "pageview_id": "String",
    "hostname": "LowCardinality(String)",
    "pathname": "String",
    "referrer": "String",
    "meta_keys": "Array(String)",
    "meta_values": "Array(String)",
    "revenue_source_amount": _AMOUNT,
    "revenue_source_currency": "LowCardinality(String)",
}

FORMAT = "JSONCompactEachRow"
"""Format of encoded rows, in the outbox and for ClickHouse: a JSON array per line."""

FORMAT_SETTINGS = {
    # RFC 3339 times.
    "date_time_input_format": "best_effort",
    # One block of any size: the token of an insert identifies the whole of it.
    "input_format_parallel_parsing": "0",
}

_READER = msgspec.json.Decoder(EventRow)
_WRITER = msgspec.json.Encoder()


def encode_row(row: EventRow) -> bytes:
    """Return a row in FORMAT: amounts exact, times in microseconds."""
    return _WRITER.encode(row)


def decode_row(line: bytes) -> EventRow:
    """Return the row of a line in FORMAT."""
    return _READER.decode(line)


_STEPS = 3  # Bucket lengths of the rollups; each has a row per property.
_ROW = 30  # Approximate bytes of a row beside its texts; rows with equal texts are merged.
_BETWEEN = b'","'
_KEYS = b",["  # May also occur in a path, which only overestimates the row.
_TEXTS_BETWEEN = 5  # The name and the keys.


def fitting(lines: Sequence[bytes], most_cost: int) -> int:
    """Return how many of the first rows may be stored together, at least one.

    They are of one month, because tables are partitioned by month and an insert is atomic only within a
    partition, and add at most ``most_cost`` bytes of text to ``rollup_properties``, which repeats the
    name for each property. Raises ValueError if a line is not a row.
    """
    month, cost = b"", 0
    for number, line in enumerate(lines):
        # Quotes within texts are escaped, so this only occurs between two texts.
        _, time, _, name, rest = line.split(_BETWEEN, 4)
        properties = (rest.count(_BETWEEN) - _TEXTS_BETWEEN) // 2 + 1
        cost += _STEPS * (properties * (len(name) + _ROW) + len(rest) - rest.find(_KEYS))
        if number and (cost > most_cost or time[:7] != month):
            return number
        month = time[:7]
    return len(lines)


_EVENTS = f"""
CREATE TABLE IF NOT EXISTS events
({", ".join(f"{name} {kind}" for name, kind in EVENT_TYPES.items())})
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (site_id, toDate(timestamp), type, name, timestamp)
SETTINGS non_replicated_deduplication_window = 10000
"""


# Append only: a migration that has run anywhere never changes. Numbers 1 and 2 created views and tables; the
# tables are now created whenever they are missing.
_MIGRATIONS = {3: rollups.drop_views, 4: rollups.cache_index}

_DONE = """
CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, applied DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY number
"""


def migrate(client: Client, before_rebuild: Callable[[], None] = lambda: None) -> None:
    """Migrate the database and create missing tables.

    Servers of earlier versions must not be running. ``before_rebuild`` is called before rollups are
    filled.
    """
    client.command(_EVENTS)
    client.command(_DONE)
    done = {row[0] for row in client.query("SELECT number FROM schema_migrations").result_rows}
    for number, migration in _MIGRATIONS.items():
        if number not in done:
            migration(client)
            client.insert(
                "schema_migrations", [[number]], column_names=["number"], column_type_names=["UInt32"]
            )
    if rollups.missing(client):
        before_rebuild()
        rollups.restore(client)
