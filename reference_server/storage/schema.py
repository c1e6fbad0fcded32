"""The tables, created when missing and changed by migrations that may run twice or concurrently."""

import logging
from collections.abc import Callable, Sequence

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from reference_server.event import AMOUNT_SCALE, EventRow
from reference_server.storage import rollups, shared_tables
from reference_server.storage.client import Clients, insert
from reference_server.storage.layout import SESSION_KEY, SINGLE, BadCluster, Layout, Table

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
    "meta_keys": "Array(String)",  # STORE-2
    "meta_values": "Array(String)",
    "revenue_source_amount": _AMOUNT,  # STORE-3
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


EVENTS = Table(
    name="events",
    columns=", ".join(f"{name} {kind}" for name, kind in EVENT_TYPES.items()),
    engine="MergeTree",
    order="PARTITION BY toYYYYMM(timestamp) ORDER BY (site_id, toDate(timestamp), type, name, timestamp)",
    key=SESSION_KEY,
)
TABLES = (EVENTS, *shared_tables.TABLES)
"""The tables that are created first, on one ClickHouse and on each shard alike."""


# Append only: a migration that has run anywhere never changes. Numbers 1 and 2 created views and tables; the
# tables are now created whenever they are missing.
_MIGRATIONS: dict[int, Callable[[Client, Layout], None]] = {3: rollups.drop_views, 4: rollups.cache_index}

_UNKNOWN_TABLE, _TABLE_EXISTS = 60, 57
_LOG = logging.getLogger(__name__)

_DONE = """
CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, applied DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY number
"""


def migrate(
    client: Client, before_rebuild: Callable[[], None] = lambda: None, layout: Layout = SINGLE
) -> None:
    """Migrate the database of a server and create missing tables.

    Servers of earlier versions must not be running. ``before_rebuild`` is called before rollups are
    filled. Raises BadCluster.
    """
    for table in TABLES:
        client.command(layout.create(table.name, table.columns, table.engine, table.order))
    client.command(_DONE)
    done = {row[0] for row in client.query("SELECT number FROM schema_migrations").result_rows}
    for number, migration in _MIGRATIONS.items():
        if number not in done:
            migration(client, layout)
            insert(client, "schema_migrations", ["number"], [[number]])
    if rollups.missing(client, layout):
        before_rebuild()
        rollups.restore(client, layout)


def migrate_cluster(clients: Clients) -> None:
    """Migrate each server of a cluster, taking over the tables of a single one, which must be shard 1.

    May be repeated after any interruption, and run by several ingest nodes at once. If a server is away but
    all tables have been created, it logs a warning. Raises BadCluster and clickhouse-connect's errors.
    """
    layout = clients.layout()
    try:
        _migrate_servers(clients, layout)
    except (BadCluster, ClickHouseError) as error:
        if not clients.run(_is_complete):
            raise
        _LOG.warning("the tables of the cluster were not checked: %s", error)


def _is_complete(client: Client) -> bool:
    """Return True if this server has the tables over all shards, which are created last."""
    names = [table.name for table in TABLES] + [rollup.table for rollup in rollups.ROLLUPS]
    query = """
    SELECT count() FROM system.tables
    WHERE database = currentDatabase() AND engine = 'Distributed' AND name IN {names:Array(String)}
    """
    found = client.query(query, parameters={"names": names}).result_rows[0][0]
    return bool(found == len(names))


def _migrate_servers(clients: Clients, layout: Layout) -> None:
    for host, client in clients.nodes(layout):
        if _single(client):
            if host.shard > 1:
                raise BadCluster(
                    f"{host} has tables of a single server, which must be shard 1 of the cluster"
                )
            _take_over(client, layout)
        migrate(client, layout=layout)
    # After the tables of all shards: a query through the first of these asks every shard.
    for _, client in clients.nodes(layout):
        for table in TABLES:
            client.command(layout.distribute(table.name, table.key))
        for rollup in rollups.ROLLUPS:
            client.command(layout.distribute(rollup.table))


def _single(client: Client) -> list[str]:
    """Return our tables that a single server has created."""
    names = [table.name for table in TABLES] + [rollup.table for rollup in rollups.ROLLUPS]
    query = """
    SELECT name FROM system.tables
    WHERE database = currentDatabase() AND name IN {names:Array(String)} AND engine != 'Distributed'
    """
    return [name for (name,) in client.query(query, parameters={"names": names}).result_rows]


def _take_over(client: Client, layout: Layout) -> None:
    """Rename the tables of a single server to those of its shard."""
    if layout.replicated:
        raise BadCluster(
            "this database has tables of a single server, which are not replicated: move its rows to tables "
            "of the cluster as docs/scaling.md says under 'From one server to replicas'"
        )
    done = {row[0] for row in client.query("SELECT number FROM schema_migrations").result_rows}
    if not done >= _MIGRATIONS.keys():
        raise BadCluster(
            "the tables are of an earlier version: start this version on them once without a cluster"
        )
    for name in _single(client):
        try:
            client.command(f"RENAME TABLE {name} TO {layout.stored(name)}")
        except DatabaseError as error:
            # Another ingest node was faster.
            if error.code not in (_UNKNOWN_TABLE, _TABLE_EXISTS):
                raise
