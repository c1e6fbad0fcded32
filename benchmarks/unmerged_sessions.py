"""Measure what merging the sessions of two shards on one server costs; print a Markdown table.

    python -m benchmarks.unmerged_sessions

``distributed_group_by_no_merge`` takes each shard's groups as they are, because a session is on one shard.
Times are the shortest of nine. Exits with 1 if the figures differ.
"""

import sys
import tempfile
import time
from pathlib import Path

from clickhouse_connect.driver.client import Client

from reference_server.analytics.kpis import SESSION_COLUMNS, SESSION_ROWS
from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded_cluster import CLUSTER, LocalCluster
from reference_server.storage.layout import SESSION_KEY

SHARDS = 2
SAMPLES = (20_000, 200_000)
"""Numbers of sessions; the larger one is the most that a figure reads."""

_TRIES = 9
_FILL = f"""
INSERT INTO rollup_sessions_local
SELECT 'shop.example', toDate('2026-11-01') + number % 28 AS day, sipHash64(session_id), session_id,
    toDateTime(day, 'UTC'), toDateTime64(day, 3, 'UTC'), toDateTime64(day, 3, 'UTC') + number % 500,
    number % 5, 1
FROM (
    SELECT number, concat('session of a tracker ', toString(number)) AS session_id
    FROM numbers({SAMPLES[-1]})
)
WHERE {SESSION_KEY} % {SHARDS} = {{shard:UInt8}}
"""  # noqa: S608 - our own text


def measured(client: Client, most: int, settings: str) -> tuple[float, tuple[object, ...]]:
    """Return the shortest time of the figures of sessions, in milliseconds, and the figures."""
    rows = SESSION_ROWS.replace("{rollup_sessions}", "rollup_sessions")
    query = (
        f"SELECT {SESSION_COLUMNS} FROM {rows.replace('GROUP BY session', f'GROUP BY session {settings}')}"  # noqa: S608
    )
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        [figures] = client.query(query, {"most": most}).result_rows
        times.append(time.perf_counter() - began)
    return 1000 * min(times), tuple(figures)


def main() -> None:
    """Print the table."""
    differing = False
    with (
        tempfile.TemporaryDirectory(prefix="clickport-sessions-") as folder,
        LocalCluster(Path(folder) / "clickhouse", SHARDS) as cluster,
    ):
        clients = Clients(cluster.url, CLUSTER)
        repair(clients, Path(folder) / "outbox")
        for number, shard in enumerate(cluster.shards):
            client = connect(shard.url)
            client.command(_FILL, {"shard": number})
            client.close()
        sys.stdout.write("| sessions | merged, ms | not merged, ms |\n|--:|--:|--:|\n")
        for sessions in SAMPLES:
            most = (2**64 - 1) * sessions // SAMPLES[-1]
            merged, figures = measured(clients.get(), most, "")
            unmerged, same = measured(clients.get(), most, "SETTINGS distributed_group_by_no_merge = 1")
            differing |= figures != same
            sys.stdout.write(f"| {sessions:,} | {merged:.0f} | {unmerged:.0f} |\n")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
