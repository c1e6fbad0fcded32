"""The tables: made when they are missing, changed by migrations that can run twice and from two processes."""

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
"""How rows are written, once, for the outbox and for ClickHouse: an array of JSON in a line."""

FORMAT_SETTINGS = {
    # Times as RFC 3339 has them.
    "date_time_input_format": "best_effort",
    # One block whatever the size: the token of an insert stands for the whole of it.
    "input_format_parallel_parsing": "0",
}

_READER = msgspec.json.Decoder(EventRow)
_WRITER = msgspec.json.Encoder()


def encode_row(row: EventRow) -> bytes:
    """Return a row in FORMAT: amounts digit by digit, times to the microsecond."""
    return _WRITER.encode(row)


def decode_row(line: bytes) -> EventRow:
    """Return the row that was written."""
    return _READER.decode(line)


_STEPS = 3  # Of the rollups: a row of properties for each.
_ROW = 30  # Bytes beside its texts, about: rows of the same texts are one row in the end.
_BETWEEN = b'","'
_KEYS = b",["  # A path may have it, too: then its row is taken for a larger one.
_TEXTS_BETWEEN = 5  # The name and the keys.


def fitting(lines: Sequence[bytes], most_cost: int) -> int:
    """Return how many of the first rows may be stored together, at least one.

    All of one month, as tables are partitioned by months, and an insert is atomic within a partition only;
    and with at most ``most_cost`` bytes of text in ``rollup_properties``, which repeats the name for each
    property. Raises ValueError for what is no row.
    """
    month, cost = b"", 0
    for number, line in enumerate(lines):
        # Quotes within a text are escaped, so that this is found between two texts only.
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


# Append only: a migration that has run somewhere never changes and never goes.
# Numbers 1 and 2 made tables, which are made whenever they are missing now, and views.
_MIGRATIONS = {3: rollups.drop_views, 4: rollups.cache_index}

_DONE = """
CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, applied DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY number
"""


def migrate(client: Client, before_rebuild: Callable[[], None] = lambda: None) -> None:
    """Bring the database up to date, and make the tables that are missing.

    Servers of earlier versions must have ended. ``before_rebuild`` is called before rollups are filled.
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
