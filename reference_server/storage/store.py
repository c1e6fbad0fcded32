"""Storing of rows in ``events`` and in each rollup, by one atomic and repeatable statement per table.

The rows are put into a staging table in memory and copied from there: unchanged into ``events``, and through
the query of each rollup into that rollup. On a cluster there is a statement for each shard and table, with
the rows of that shard. Such a statement writes one block into one partition, which
ClickHouse commits as one part at its end. A refused statement has therefore stored nothing, and its rows can
be divided. The token lets the table recognise a statement that is repeated because its outcome was unknown.
"""

import secrets
from collections.abc import Iterable

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from reference_server.event import EventRow
from reference_server.storage.client import Clients
from reference_server.storage.layout import SESSION_KEY
from reference_server.storage.rollups import PROPERTIES, ROLLUPS
from reference_server.storage.schema import EVENT_TYPES, FORMAT, FORMAT_SETTINGS, encode_row

# The table with the largest rows comes last, so that a refusal there delays no other table.
_ROLLUPS = (*(rollup for rollup in ROLLUPS if rollup is not PROPERTIES), PROPERTIES)
TABLES = ("events", *(rollup.table for rollup in _ROLLUPS))
"""The tables in the order in which rows are stored."""

UNKNOWN_TABLE = 60
STATEMENT_SECONDS = 25
"""Seconds after which ClickHouse cancels a statement and reports it; less than the client's timeout."""

INCOMPLETE = "the staging table is not complete"
_COLUMNS = ", ".join(f"{name} {kind}" for name, kind in EVENT_TYPES.items())
_MOST_ROWS = 1_000_000
# One block, and so one part: blocks are joined without limit, and query results come in one block.
_ONE_BLOCK = {
    "min_insert_block_size_rows": 10**12,
    "min_insert_block_size_bytes": 0,
    "max_insert_threads": 1,
    "max_block_size": _MOST_ROWS,
    "group_by_two_level_threshold": 0,
    "group_by_two_level_threshold_bytes": 0,
    "max_execution_time": STATEMENT_SECONDS,
}


class Stage:
    """The staging table of one writer.

    ``shards`` is the number of shards among which the rows are divided; 0 means that there is no cluster.
    """

    def __init__(self, client: Client, name: str, shards: int = 0) -> None:
        self._client = client
        self._name = name
        self._shards = shards
        self._fill = ""
        self._count = 0

    def fill(self, lines: bytes, count: int) -> None:
        """Replace the content of the table. Raises clickhouse-connect's errors."""
        # A new id for each fill: a delayed statement of an earlier fill finds nothing to copy.
        self._fill, self._count = secrets.token_hex(8), count
        self._empty()
        structure = _COLUMNS.replace("'", "\\'")
        names = ", ".join(EVENT_TYPES)
        source = f"SELECT '{self._fill}', {names} FROM input('{structure}')"  # noqa: S608
        query = f"INSERT INTO {self._name} {source} FORMAT {FORMAT}"
        self._client.command(query + "\n", data=lines, settings={**_ONE_BLOCK, **FORMAT_SETTINGS})

    def _empty(self) -> None:
        try:
            self._client.command(f"TRUNCATE TABLE {self._name}")
        except DatabaseError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            columns = f"fill String, {_COLUMNS}"
            self._client.command(f"CREATE TABLE IF NOT EXISTS {self._name} ({columns}) ENGINE = Memory")

    def store(self, table: int, token: str, shard: int = 0) -> None:
        """Copy the rows of a shard (from 0) into one of TABLES, once per token.

        Raises clickhouse-connect's errors.
        """
        name, fill = self._name, f"fill = '{self._fill}'"
        check = f"SELECT throwIf(count() != {self._count}, '{INCOMPLETE}') FROM {name} WHERE {fill}"  # noqa: S608
        where = f"{fill} AND ({check}) = 0"
        if self._shards > 1:
            where += f" AND {SESSION_KEY} % {self._shards} = {shard}"
        if table:
            select = _ROLLUPS[table - 1].of_events(where, source=name)
        else:
            select = f"SELECT {', '.join(EVENT_TYPES)} FROM {name} WHERE {where}"  # noqa: S608
        columns = "" if table else f" ({', '.join(EVENT_TYPES)})"
        settings = {**_ONE_BLOCK, "insert_deduplication_token": token}
        if self._shards:
            settings["insert_shard_id"] = shard + 1
        self._client.command(f"INSERT INTO {TABLES[table]}{columns} {select}", settings=settings)

    def drop(self) -> None:
        """Drop the table."""
        self._client.command(f"DROP TABLE IF EXISTS {self._name} SYNC")


def store(client: Client, rows: Iterable[EventRow], token: str = "", shards: int = 0) -> None:
    """Store rows of one month in all tables; repeating the call with the same token has no effect.

    On a cluster, ``shards`` is their number, which must be the same when the call is repeated.
    """
    lines = [encode_row(row) for row in rows]
    stage = Stage(client, f"staging_{secrets.token_hex(8)}", shards)
    try:
        stage.fill(b"\n".join(lines), len(lines))
        for shard in range(max(shards, 1)):
            for table in range(len(TABLES)):
                stage.store(table, token or secrets.token_hex(8), shard)
    finally:
        stage.drop()


def is_sealed(client: Client, table: int, site: str) -> bool:
    """Return True if a table has a row of this site."""
    query = f"SELECT count() FROM {TABLES[table]} WHERE {_site(table)} = {{site:String}}"  # noqa: S608
    return bool(client.query(query, parameters={"site": site}).result_rows[0][0])


def erase(clients: Clients, table: int, site: str) -> None:
    """Delete the rows of a site from a table, on every shard."""
    layout = clients.layout()
    where = f"WHERE {_site(table)} = {{site:String}}"
    query = f"DELETE FROM {layout.stored(TABLES[table])}{layout.on} {where}"  # noqa: S608
    if not layout.cluster:
        clients.get().command(query, {"site": site})
    else:
        for _, client in clients.nodes(layout):
            client.command(query, {"site": site})


def _site(table: int) -> str:
    return "site" if table else "site_id"
