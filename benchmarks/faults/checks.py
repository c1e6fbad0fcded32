"""Queries on what is stored after a fault run."""

from reference_server.storage.client import connect

ROWS = "SELECT count() FROM events"
# The sum of the absolute differences between the rollups' totals and the events.
DIFFERENCES = """
WITH (SELECT count() FROM events) AS events,
    (SELECT count() FROM events WHERE type = 'custom') AS customs,
    (SELECT sum(length(meta_keys)) FROM events WHERE type = 'custom') AS properties,
    (SELECT count() FROM events WHERE session_id != '') AS in_sessions
SELECT sum(abs(expected - found)) FROM (
    SELECT toInt64(events) AS expected, toInt64(sum(pageviews) + sum(customs)) AS found
    FROM rollup_traffic GROUP BY step
    UNION ALL SELECT toInt64(customs), toInt64(sum(count)) FROM rollup_events GROUP BY step
    UNION ALL SELECT toInt64(properties), toInt64(sum(count)) FROM rollup_properties GROUP BY step
    UNION ALL SELECT toInt64(in_sessions), toInt64(sum(pageviews) + sum(customs)) FROM rollup_sessions
)
"""


def ask(url: str, query: str) -> int:
    """Return the only number of a query's result."""
    client = connect(url)
    try:
        return int(client.query(query).result_rows[0][0])
    finally:
        client.close()
