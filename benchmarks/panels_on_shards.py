"""Compare the dashboard's panels over two shards with those over one; print a Markdown table.

    python -m benchmarks.panels_on_shards 1e7

The same events are stored in one embedded ClickHouse and in a cluster of two, by ``panel_times``. Each panel
must show the same. Times are medians of five. All servers share this machine.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from benchmarks import panel_times
from benchmarks.panel_times import CHUNK, DAYS, EVENTS, SITE, TIMEZONE
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.embedded_cluster import CLUSTER, LocalCluster
from reference_server.storage.layout import SESSION_KEY
from reference_server.storage.rollups import ROLLUPS

SHARDS = 2


class FixedReader(Reader):
    """A reader whose ranges end at one moment."""

    def __init__(self, clients: Clients, settings: Settings, now: datetime) -> None:
        super().__init__(clients, settings)
        self._now = now

    def range(self, site: str, period: str = "30d", **days: Any) -> Range:
        """Return a range as of that moment."""
        if period == "all":
            days = {"first": self._first_day(site, TIMEZONE)}
        return Range.of(period, timezone=TIMEZONE, now=self._now, **days)


def fill(client: Client, total: int, now: datetime, shard: int | None) -> None:
    """Insert ``total`` events, or those of a shard, and fill the rollups."""
    table = "events" if shard is None else "events_local"
    where = "" if shard is None else f" WHERE cityHash64(concat('s', toString(session))) % {SHARDS} = {shard}"
    for first in range(0, total, CHUNK):
        values = {
            **{"site": SITE, "days": DAYS, "total": total, "first": first},
            "count": min(CHUNK, total - first),
            "start": datetime.fromtimestamp(now.timestamp() - DAYS * 86400, UTC),
        }
        query = EVENTS.replace("INSERT INTO events", f"INSERT INTO {table}") + where
        client.command(query, parameters=values, settings={"insert_deduplicate": 0})
    [[placed]] = client.query(
        f"SELECT count() FROM {table} WHERE {SESSION_KEY} % {SHARDS} != {shard or 0}"  # noqa: S608
    ).result_rows
    assert shard is None or not placed
    days = client.query(f"SELECT DISTINCT toString(toDate(timestamp)) FROM {table}").result_rows  # noqa: S608
    for rollup in ROLLUPS:
        name = rollup.table + ("" if shard is None else "_local")
        for (day,) in days:
            select = rollup.of_events("toDate(timestamp) = {day:Date}", source=table)
            settings = {"insert_deduplicate": 0}
            client.command(f"INSERT INTO {name} {select}", parameters={"day": day}, settings=settings)


def main(numbers: list[str]) -> None:
    """Print the table; exit with 1 if a panel differs."""
    total = int(float(numbers[0])) if numbers else 10_000_000
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="clickport-panels-") as name:
        folder = Path(name)
        with (
            LocalClickHouse(folder / "one") as one,
            LocalCluster(folder / "two", SHARDS) as two,
        ):
            single, clients = Clients(one.url), Clients(two.url, CLUSTER)
            repair(single, folder / "outbox")
            repair(clients, folder / "outbox")
            settings = Settings(single, folder / "state")
            settings.set_timezone(SITE, TIMEZONE)
            settings.add_goal(SITE, "Event 19")
            fill(single.get(), total, now, None)
            for number, shard in enumerate(two.shards):
                client = connect(shard.url)
                fill(client, total, now, number)
                client.close()
            sys.stdout.write(
                f"| {total:,} events | one, ms | two shards, ms | ratio | same |\n|---|--:|--:|--:|---|\n"
            )
            compare(FixedReader(single, settings, now), FixedReader(clients, settings, now))


def compare(one: Reader, two: Reader) -> None:
    """Print a row for each panel."""
    differing = 0
    both = zip(panel_times.panels(one).items(), panel_times.panels(two).values(), strict=True)
    for (panel, ask), ask_shards in both:
        same = ask() == ask_shards()
        differing += not same
        times = panel_times.milliseconds(ask), panel_times.milliseconds(ask_shards)
        figures = (
            f"{times[0]:.0f}",
            f"{times[1]:.0f}",
            f"{times[1] / times[0]:.1f}",
            "yes" if same else "NO",
        )
        sys.stdout.write(f"| {panel} | {' | '.join(figures)} |\n")
        sys.stdout.flush()
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
