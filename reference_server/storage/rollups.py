"""The tables that the dashboard reads, so that its cost grows with the range only: sums over events.

Counts are kept in buckets of a quarter of an hour, an hour and a day (UTC). Every offset of a time zone is a
multiple of 15 minutes, so any day of any zone is made of whole buckets: few large ones, and small ones at its
ends. A session cannot be added up that way: it has a row for each quarter of an hour it was seen in.
"""

import uuid
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

QUARTER, HOUR, DAY = 900, 3600, 86400
STEPS = (QUARTER, HOUR, DAY)

_TABLE_EXISTS = 57
_CACHED = "use_primary_key_cache = 1"
# Exact for up to 1,000 visitors, and then within about a percent.
_VISITORS = "AggregateFunction(uniqCombined(14), UInt64)"
_SUM = "SimpleAggregateFunction(sum, UInt64)"


@dataclass(frozen=True, kw_only=True)
class Rollup:
    """A table, how it is sorted, and the query by which it is made of events.

    The query has places for the lengths of the buckets (``{steps}``), for the table of events (``{source}``),
    and for a condition on them (``{where}``), so that it also reads events that are too young for buckets.
    """

    table: str
    columns: str
    order: str
    select: str

    def of_events(self, where: str = "1", steps: tuple[int, ...] = STEPS, source: str = "events") -> str:
        """Return the query that makes rows of this table out of those events of ``source``."""
        text = self.select.replace("{steps}", str(list(steps))).replace("{source}", source)
        return text.replace("{where}", where)


# The order of the keys is that of the questions: of a site, of a step, of a range.
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

# A key that an event has twice counts for each of its values, as they are stored.
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

# By hash, so that a part of the sessions of each day can be read that is as good as drawn by lot.
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


def missing(client: Client) -> list[Rollup]:
    """Return the rollups that the database does not have."""
    return [rollup for rollup in ROLLUPS if not client.command(f"EXISTS TABLE {rollup.table}")]


def restore(client: Client) -> None:
    """Make each missing rollup, filled from the events that are there.

    A rollup gets its name once it is complete: an interrupted or concurrent call leaves nothing half done.
    Nothing may be loaded meanwhile (see ``reference_server.delivery.repair``).
    """
    for rollup in missing(client):
        _fill(client, rollup)


def drop_views(client: Client) -> None:
    """Remove the materialized views of earlier versions, and the rollups that they filled.

    A view may have failed after the insert into events that it belongs to, so these rollups are made anew by
    ``restore``. The view goes last: a call that was interrupted is repeated from there.
    """
    for rollup in ROLLUPS:
        if client.command(f"EXISTS TABLE {rollup.table}_view"):
            client.command(f"DROP TABLE IF EXISTS {rollup.table} SYNC")
            client.command(f"DROP TABLE IF EXISTS {rollup.table}_view SYNC")


def cache_index(client: Client) -> None:
    """Let ClickHouse keep the indexes of rollups in a cache of bounded size."""
    for rollup in ROLLUPS:
        if _index(client) and client.command(f"EXISTS TABLE {rollup.table}"):
            client.command(f"ALTER TABLE {rollup.table} MODIFY SETTING {_CACHED}")


def _index(client: Client) -> str:
    """Return the setting as a part of a list, or "" for a ClickHouse before 25.1, which does not have it.

    The index has the names of events. Without the cache it is in memory as a whole, also that of each part
    that merges have replaced: a megabyte a second of long names took 100 MB a second.
    """
    name, _, _ = _CACHED.partition(" ")
    known = f"SELECT count() FROM system.merge_tree_settings WHERE name = '{name}'"  # noqa: S608
    return f", {_CACHED}" if client.command(known) else ""


def _fill(client: Client, rollup: Rollup) -> None:
    draft = f"{rollup.table}_{uuid.uuid4().hex}"
    column = "day" if rollup is SESSIONS else "bucket"
    # The window is for the retries of the loader: see its settings. Small granules, as the states of visitors
    # are large, and a question is for a few of them.
    client.command(f"""
        CREATE TABLE {draft} ({rollup.columns})
        ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM({column}) ORDER BY ({rollup.order})
        SETTINGS non_replicated_deduplication_window = 10000,
            index_granularity = 1024, index_granularity_bytes = 65536{_index(client)}
    """)
    try:
        # By days: what fits into the memory and the patience of a query.
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
