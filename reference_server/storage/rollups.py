"""Rollups: tables of sums over events, which make the cost of the dashboard depend on the range only.

Counts are kept in buckets of a quarter of an hour, an hour and a day (UTC). Every offset of a time zone is a
multiple of 15 minutes, so any day of any zone consists of whole buckets: few large ones, and small ones at
its ends. Sessions cannot be added up that way; they have a row for each quarter of an hour in which they were
seen.
"""

import uuid
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from reference_server.storage.layout import SINGLE, BadCluster, Layout

QUARTER, HOUR, DAY = 900, 3600, 86400
STEPS = (QUARTER, HOUR, DAY)

_TABLE_EXISTS = 57
_CACHED = "use_primary_key_cache = 1"
# Exact up to 1,000 visitors, then within about one percent.
_VISITORS = "AggregateFunction(uniqCombined(14), UInt64)"
_SUM = "SimpleAggregateFunction(sum, UInt64)"


@dataclass(frozen=True, kw_only=True)
class Rollup:
    """A table, its sort order, and the query that computes it from events.

    The query has placeholders for the bucket lengths (``{steps}``), the table of events (``{source}``)
    and a condition (``{where}``), so that it can also read events too recent for buckets.
    """

    table: str
    columns: str
    order: str
    select: str

    def of_events(self, where: str = "1", steps: tuple[int, ...] = STEPS, source: str = "events") -> str:
        """Return the query that computes rows of this table from the matching events of ``source``."""
        text = self.select.replace("{steps}", str(list(steps))).replace("{source}", source)
        return text.replace("{where}", where)


# Keys are ordered as queries filter: site, step, range.
TRAFFIC = Rollup(
    table="rollup_traffic",
    columns=f"""site LowCardinality(String), step UInt32, bucket DateTime('UTC'),
        pageviews {_SUM}, customs {_SUM}, visitors {_VISITORS}""",
    order="site, step, bucket",
    select="""
        SELECT site_id AS site, arrayJoin({steps}) AS step,
            toDateTime(intDiv(toUnixTimestamp(timestamp), step) * step, 'UTC') AS bucket,
            countIf(type = 'pageview') AS pageviews, countIf(type = 'custom') AS customs,
            uniqCombinedState(14)(sipHash64(visitor_id)) AS visitors
        FROM {source} WHERE {where}
        GROUP BY site, step, bucket""",
)

EVENTS = Rollup(
    table="rollup_events",
    columns=f"""site LowCardinality(String), step UInt32, bucket DateTime('UTC'), name String,
        currency LowCardinality(String), count {_SUM}, with_properties {_SUM},
        amount SimpleAggregateFunction(sum, Decimal(38, 9)), visitors {_VISITORS}""",
    order="site, step, bucket, name, currency",
    select="""
        SELECT site_id AS site, arrayJoin({steps}) AS step,
            toDateTime(intDiv(toUnixTimestamp(timestamp), step) * step, 'UTC') AS bucket,
            name, if(revenue_source_amount IS NULL, '', revenue_source_currency) AS currency,
            count() AS count, countIf(notEmpty(meta_keys)) AS with_properties,
            sum(ifNull(revenue_source_amount, toDecimal128(0, 9))) AS amount,
            uniqCombinedState(14)(sipHash64(visitor_id)) AS visitors
        FROM {source} WHERE type = 'custom' AND {where}
        GROUP BY site, step, bucket, name, currency""",
)

# An event with a repeated key counts for each of its values, as they are stored.
PROPERTIES = Rollup(
    table="rollup_properties",
    columns=f"""site LowCardinality(String), name String, key String, step UInt32, bucket DateTime('UTC'),
        value String, count {_SUM}""",
    order="site, name, key, step, bucket, value",
    select="""
        SELECT site_id AS site, name, key, arrayJoin({steps}) AS step,
            toDateTime(intDiv(toUnixTimestamp(timestamp), step) * step, 'UTC') AS bucket,
            value, count() AS count
        FROM {source} ARRAY JOIN meta_keys AS key, arrayResize(meta_values, length(meta_keys)) AS value
        WHERE type = 'custom' AND {where}
        GROUP BY site, name, key, step, bucket, value""",
)

# Ordered by hash, so that a random sample of each day's sessions can be read.
SESSIONS = Rollup(
    table="rollup_sessions",
    columns=f"""site LowCardinality(String), day Date, hash UInt64, session String, bucket DateTime('UTC'),
        first SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
        last SimpleAggregateFunction(max, DateTime64(3, 'UTC')), pageviews {_SUM}, customs {_SUM}""",
    order="site, day, hash, session, bucket",
    select="""
        SELECT site_id AS site, toDate(timestamp) AS day, sipHash64(session_id) AS hash,
            session_id AS session,
            toDateTime(intDiv(toUnixTimestamp(timestamp), 900) * 900, 'UTC') AS bucket,
            min(timestamp) AS first, max(timestamp) AS last,
            countIf(type = 'pageview') AS pageviews, countIf(type = 'custom') AS customs
        FROM {source} WHERE session_id != '' AND {where}
        GROUP BY site, day, hash, session, bucket""",
)

ROLLUPS = (TRAFFIC, EVENTS, PROPERTIES, SESSIONS)


def missing(client: Client, layout: Layout = SINGLE) -> list[Rollup]:
    """Return the rollups that the database of this server lacks."""
    return [rollup for rollup in ROLLUPS if not client.command(f"EXISTS TABLE {layout.stored(rollup.table)}")]


def restore(client: Client, layout: Layout = SINGLE) -> None:
    """Create each missing rollup and fill it from the stored events.

    A rollup gets its name when it is complete, so an interrupted or concurrent call leaves no partial
    table. No events may be loaded meanwhile (see ``reference_server.delivery.repair``). Raises BadCluster
    on a cluster whose events other ingest nodes may be loading.
    """
    for rollup in missing(client, layout):
        if layout.cluster:
            _create(client, rollup, layout)
        else:
            _fill(client, rollup)


def drop_views(client: Client, _: Layout) -> None:
    """Remove the materialized views of earlier versions and the rollups that they filled.

    A view may have failed after its insert into events had succeeded, so ``restore`` rebuilds these
    rollups. The views go last: an interrupted call can be repeated.
    """
    for rollup in ROLLUPS:
        if client.command(f"EXISTS TABLE {rollup.table}_view"):
            client.command(f"DROP TABLE IF EXISTS {rollup.table} SYNC")
            client.command(f"DROP TABLE IF EXISTS {rollup.table}_view SYNC")


def cache_index(client: Client, layout: Layout = SINGLE) -> None:
    """Make ClickHouse keep the indexes of rollups in a cache of bounded size."""
    for rollup in ROLLUPS:
        table = layout.stored(rollup.table)
        if _index(client) and client.command(f"EXISTS TABLE {table}"):
            client.command(f"ALTER TABLE {table} MODIFY SETTING {_CACHED}")


def _index(client: Client) -> str:
    """Return the setting, or "" for a ClickHouse before 25.1, which lacks it.

    The index contains the names of events. Without the cache it is entirely in memory, including that of
    parts that merges have replaced: long names at 1 MB/s took 100 MB/s.
    """
    name, _, _ = _CACHED.partition(" ")
    known = f"SELECT count() FROM system.merge_tree_settings WHERE name = '{name}'"  # noqa: S608
    return _CACHED if client.command(known) else ""


def _definition(client: Client, rollup: Rollup, table: str, layout: Layout) -> str:
    # Granules are small because visitor states are large and a query needs few of them.
    column = "day" if rollup is SESSIONS else "bucket"
    order = f"PARTITION BY toYYYYMM({column}) ORDER BY ({rollup.order})"
    settings = ("index_granularity = 1024", "index_granularity_bytes = 65536", _index(client))
    return layout.create(
        table, rollup.columns, "AggregatingMergeTree", order, ", ".join(filter(None, settings))
    )


def _create(client: Client, rollup: Rollup, layout: Layout) -> None:
    events = layout.stored("events")
    if client.query(f"SELECT 1 FROM {events} LIMIT 1").result_rows:  # noqa: S608
        raise BadCluster(
            f"{layout.stored(rollup.table)} is missing on a shard whose {events} has rows, and other ingest "
            "nodes may be loading events: fill it as docs/scaling.md says under 'A rollup is missing'"
        )
    client.command(_definition(client, rollup, rollup.table, layout))


def _fill(client: Client, rollup: Rollup) -> None:
    draft = f"{rollup.table}_{uuid.uuid4().hex}"
    client.command(_definition(client, rollup, draft, SINGLE))
    try:
        # One day at a time stays within the memory and time limits of a query.
        for (day,) in client.query("SELECT DISTINCT toString(toDate(timestamp)) FROM events").result_rows:
            select = rollup.of_events("toDate(timestamp) = {day:Date}")
            client.command(
                f"INSERT INTO {draft} {select}", parameters={"day": day}, settings={"insert_deduplicate": 0}
            )
        client.command(f"RENAME TABLE {draft} TO {rollup.table}")
    except ClickHouseError as error:
        client.command(f"DROP TABLE IF EXISTS {draft}")
        if getattr(error, "code", None) != _TABLE_EXISTS:
            raise
