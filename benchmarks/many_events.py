"""Send ten million events through the reference server and print rates, backlog and sizes as Markdown.

Needs wrk, because Locust is too slow. 200,000 different requests are drawn from load/mix.toml and sent
repeatedly; each request becomes a row. Then the loader alone empties an outbox, and ClickHouse alone inserts
prepared blocks into the same tables, rollups included. All traffic stays on 127.0.0.1, and every process is
stopped at the end.
"""

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import psutil
from clickhouse_connect.driver.client import Client

from benchmarks.server import served, wrk
from conformance.load.mix import EventGenerator, RequestKind, read
from reference_server.delivery.census import census
from reference_server.delivery.loader import Loader
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.rollups import ROLLUPS
from reference_server.storage.schema import EVENT_TYPES, FORMAT, decode_row, encode_row

DIFFERENT = 200_000
SAMPLE, BLOCK, TIMES = 100_000, 50_000, 5
_PARTS = """
SELECT table = 'events' AS own, sum(bytes_on_disk), sum(rows) FROM system.parts
WHERE active AND database = currentDatabase() AND (table = 'events' OR table LIKE 'rollup%') GROUP BY own
"""
# In random order: in the order of storage, the largest events would be adjacent.
_SAMPLE = """
SELECT * FROM (SELECT * FROM events WHERE cityHash64(pageview_id) % {share:UInt32} = 0)
ORDER BY cityHash64(pageview_id, meta_values) LIMIT {rows:UInt32} OFFSET {offset:UInt32}
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The state at one moment. ``accepted`` is read from the outbox, because wrk reports only at its end."""

    seconds: float
    accepted: int
    pending: int
    megabytes: float


def bodies(file: Path) -> None:
    """Write 200,000 different events and pageviews, one a line."""
    generator = EventGenerator(
        read(), run=f"cp{token_hex(4)}", name="many", seed=1, envelope={"d": "example.com"}
    )
    valid = (request.body for request in generator.visit() if request.kind is not RequestKind.MALFORMED)
    file.write_bytes(b"\n".join(next(valid) for _ in range(DIFFERENT)) + b"\n")


def send(
    url: str, file: Path, events: int, server: psutil.Process, outboxes: Path
) -> tuple[int, list[Sample]]:
    """Send until ``events`` are acknowledged; return their number and a sample every 20 s."""
    samples: list[Sample] = []
    acknowledged = 0
    began = time.monotonic()
    while acknowledged < events:
        # In runs of 20 s: wrk can stop after a time, not after a number of requests.
        acknowledged += wrk(url, 20, 128, file)["answers"]
        now = census(outboxes)
        memory = sum(each.memory_info().rss for each in server.children(recursive=True))
        sample = Sample(
            seconds=time.monotonic() - began,
            accepted=now.accepted,
            pending=now.pending,
            megabytes=memory / 1e6,
        )
        samples.append(sample)
        sys.stderr.write(f"{acknowledged:,} acknowledged, {sample}\n")
    return acknowledged, samples


def loader_alone(folder: Path, url: str, client: Client, share: int) -> float:
    """Return the rows a second that the loader alone moves from a filled outbox to ClickHouse."""
    sample = client.raw_query(
        _SAMPLE,
        {"offset": 0, "rows": SAMPLE, "share": share},
        settings={"date_time_output_format": "iso"},
        fmt=FORMAT,
    )
    # As the server writes them: ClickHouse puts spaces between the columns.
    rows = [encode_row(decode_row(line)) for line in sample.splitlines()]
    outbox = Outbox.create(folder / "left", max_bytes=16 * 1024**3)
    for first in range(0, TIMES * SAMPLE, BLOCK):
        outbox.add(*rows[first % SAMPLE : first % SAMPLE + BLOCK])
    loader = Loader(OwnOutbox(lambda: outbox), folder / "left", Clients(url))
    began = time.monotonic()
    loader.start()
    while outbox.pending:
        time.sleep(0.02)
    seconds = time.monotonic() - began
    loader.stop(5)
    outbox.close()
    return TIMES * SAMPLE / seconds


def clickhouse_alone(client: Client, share: int) -> float:
    """Return the rows a second of inserting prepared blocks; materialized views fill the rollups."""
    client.command("CREATE TABLE prepared AS events ENGINE = MergeTree ORDER BY (site_id, type, name)")
    for rollup in ROLLUPS:
        name = f"prepared_{rollup.table}"
        client.command(f"CREATE TABLE {name} AS {rollup.table}")
        view = f"CREATE MATERIALIZED VIEW {name}_view TO {name} AS "
        client.command(view + rollup.of_events(source="prepared"))
    blocks = [
        client.raw_query(_SAMPLE, {"offset": offset, "rows": BLOCK, "share": share}, fmt="Native")
        for offset in range(0, SAMPLE, BLOCK)
    ]
    began = time.monotonic()
    for block in blocks * TIMES:
        client.raw_insert("prepared", list(EVENT_TYPES), insert_block=block, fmt="Native")
    return TIMES * SAMPLE / (time.monotonic() - began)


def main() -> None:
    """Run the three measurements and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=float, default=1e7, help="to send (default: 1e7)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the server (default: 1)")
    given = parser.parse_args()
    if not shutil.which("wrk"):
        parser.error("wrk is not installed: apt-get install wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-many-")))
        clickhouse = stack.enter_context(LocalClickHouse(folder / "clickhouse", steady=True))
        bodies(folder / "bodies")
        with served(folder / "server", "--workers", str(given.workers), CLICKHOUSE_URL=clickhouse.url) as (
            url,
            server,
        ):
            outboxes = folder / "server" / "state" / "outbox"
            acknowledged, samples = send(url, folder / "bodies", int(given.events), server, outboxes)
            ended = time.monotonic()
            while census(outboxes).pending:
                time.sleep(0.05)
            drained = time.monotonic() - ended
        client = connect(clickhouse.url)
        _print(client, acknowledged, samples, drained)
        share = max(acknowledged // (2 * SAMPLE), 1)
        pace = loader_alone(folder, clickhouse.url, client, share)
        most = clickhouse_alone(client, share)
        sys.stdout.write(
            f"| the loader alone, rows a second | {pace:,.0f} |\n"
            f"| ClickHouse alone, prepared blocks, rows a second | {most:,.0f} ({pace / most:.2f}) |\n"
        )
        client.close()


def _print(client: Client, acknowledged: int, samples: list[Sample], drained: float) -> None:
    [[stored]] = client.query("SELECT count() FROM events").result_rows
    sizes = {own: size for own, size, _ in client.query(_PARTS).result_rows}
    last = samples[-1]
    memory = [sample.megabytes for sample in samples]
    rows = {
        "acknowledged, not counting the last ones of each 20 s": f"{acknowledged:,}",
        "stored": f"{stored:,}",
        "acknowledged a second": f"{acknowledged / last.seconds:,.0f}",
        "pending, at most and at the end": f"{max(s.pending for s in samples):,}, {last.pending:,}",
        "all stored after": f"{drained:.1f} s",
        "memory of the server, first, middle, last": f"{memory[0]:.0f}, {memory[len(memory) // 2]:.0f}, "
        f"{memory[-1]:.0f} MB",
        "bytes an event on disk": f"{sizes[1] / stored:.1f}",
        "bytes an event of the rollups": f"{sizes.get(0, 0) / stored:.1f}",
    }
    sys.stdout.write("| | |\n|---|--:|\n")
    for name, figure in rows.items():
        sys.stdout.write(f"| {name} | {figure} |\n")


if __name__ == "__main__":
    main()
