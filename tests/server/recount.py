"""Independent counts of events, to compare with the tables."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from reference_server.event import EventRow

_STEPS = (900, 3600, 86400)
_QUERIES = {
    "events": "SELECT site_id, name, count() FROM events GROUP BY ALL",
    "rollup_traffic": """SELECT site, step, toUnixTimestamp(bucket), sum(pageviews) + sum(customs)
        FROM rollup_traffic GROUP BY ALL""",
    "rollup_events": """SELECT site, step, toUnixTimestamp(bucket), name, sum(count)
        FROM rollup_events GROUP BY ALL""",
    "rollup_properties": """SELECT site, step, toUnixTimestamp(bucket), name, key, value, sum(count)
        FROM rollup_properties GROUP BY ALL""",
    "rollup_sessions": """SELECT site, toUnixTimestamp(bucket), session, sum(pageviews) + sum(customs)
        FROM rollup_sessions GROUP BY ALL""",
}

Counts = dict[str, Counter[tuple[Any, ...]]]


def recount(rows: Iterable[EventRow]) -> Counts:
    """Return the counts that each table should have, computed without ClickHouse."""
    found: Counts = {table: Counter() for table in _QUERIES}
    for row in rows:
        site, name, moment = row.site_id, row.name, _seconds(row.timestamp)
        found["events"][site, name] += 1
        if row.type in ("custom", "pageview") and row.session_id:
            found["rollup_sessions"][site, moment // 900 * 900, row.session_id] += 1
        for step in _STEPS:
            bucket = moment // step * step
            found["rollup_traffic"][site, step, bucket] += 1
            if row.type == "custom":
                found["rollup_events"][site, step, bucket, name] += 1
                for key, value in zip(row.meta_keys, row.meta_values, strict=True):
                    found["rollup_properties"][site, step, bucket, name, key, value] += 1
    return found


def tables(client: Client) -> Counts:
    """Return the counts that the tables have, in the same form."""
    return {
        table: Counter({tuple(row[:-1]): int(row[-1]) for row in client.query(query).result_rows})
        for table, query in _QUERIES.items()
    }


def _seconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())
