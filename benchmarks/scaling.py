"""Measure the figures of docs/scaling.md: bytes an event, rows of rollups, and the speed of the loader.

    python -m benchmarks.scaling 1e6

The events are those of ``panel_times``. The loader then moves a part of them from an outbox to one
ClickHouse, and to a cluster of two shards. All servers share this machine: compare ratios.
"""

import sys
import tempfile
import time
from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.panel_times import fill
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.embedded_cluster import CLUSTER, LocalCluster
from reference_server.storage.rollups import ROLLUPS
from reference_server.storage.schema import FORMAT

_LOADED = 200_000
_SIZES = """
SELECT sum(rows), sum(bytes_on_disk) FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String}
"""


def sizes(client: Client, total: int) -> None:
    """Print rows and bytes of each table, once its parts are merged."""
    sys.stdout.write("| table | rows | bytes an event |\n|---|--:|--:|\n")
    for table in ("events", *(rollup.table for rollup in ROLLUPS)):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
        rows, size = client.query(_SIZES, parameters={"table": table}).result_rows[0]
        sys.stdout.write(f"| {table} | {rows:,} | {size / total:.2f} |\n")


def lines_of(client: Client) -> list[bytes]:
    """Return some rows as an outbox has them, in the order of time."""
    query = f"SELECT * FROM events ORDER BY timestamp LIMIT {_LOADED} FORMAT {FORMAT}"  # noqa: S608
    # ClickHouse puts a space after each comma; no text here has this sequence.
    return bytes(client.raw_query(query)).replace(b'", "', b'","').splitlines()


def loaded(clients: Clients, folder: Path, lines: list[bytes]) -> float:
    """Return how many rows a second the loader moves."""
    repair(clients, folder)
    outbox = Outbox.create(folder, durability="process")
    for first in range(0, len(lines), 1000):
        outbox.add(*lines[first : first + 1000])
    loader = Loader(OwnOutbox(lambda: outbox), folder, clients)
    began = time.monotonic()
    loader.start()
    while outbox.pending:
        time.sleep(0.01)
    took = time.monotonic() - began
    loader.stop(0)
    return len(lines) / took


def main(numbers: list[str]) -> None:
    """Print the tables."""
    total = int(float(numbers[0])) if numbers else 1_000_000
    with tempfile.TemporaryDirectory(prefix="clickport-scaling-") as name:
        folder = Path(name)
        with LocalClickHouse(folder / "one") as one, LocalCluster(folder / "two", 2) as two:
            clients = Clients(one.url)
            repair(clients, folder / "outbox")
            fill(clients.get(), total)
            sizes(clients.get(), total)
            lines = lines_of(clients.get())
            on_one = loaded(clients, folder / "outbox-one", lines)
            on_two = loaded(Clients(two.url, CLUSTER), folder / "outbox-two", lines)
    size = sum(map(len, lines)) / len(lines)
    sys.stdout.write(f"\na row in an outbox has {size:.0f} bytes\n")
    sys.stdout.write(f"loader: {on_one:,.0f} rows a second to one ClickHouse, {on_two:,.0f} to two shards\n")


if __name__ == "__main__":
    main(sys.argv[1:])
