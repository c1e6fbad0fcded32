"""Compare the dashboard's figures with those of an independent model, which is plain Python.

    python -m benchmarks.figures
    python -m benchmarks.figures --zone Asia/Kolkata --only 14d

Random events, many of them where clocks change, are stored as the server stores them. Then each figure of
many ranges, filters, intervals and time zones is read as the pages read it, and counted again from events.
Prints the number of comparisons and of those that differ, and ends with 1 if there is one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.figures_model import Model
from reference_server.analytics.filters import EVERYTHING, Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.series import FILTERED_METRICS, METRICS
from reference_server.analytics.site_settings import Settings
from reference_server.event import EventRow
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import migrate
from reference_server.storage.store import store

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"),
    *("Pacific/Kiritimati", "America/St_Johns", "Australia/Lord_Howe"),
)
NOW = datetime(2026, 11, 26, 12, 34, 56, 789000, tzinfo=UTC)
GOALS = ("Signup", "Purchase", "Never")
PERIODS = (
    *("realtime", "24h", "today", "yesterday", "7d", "14d", "30d"),
    *("month", "last_month", "year", "last_year", "12m"),
)
# Clocks change in Europe, in America, and on Lord Howe by half an hour.
CUSTOM = (
    (date(2026, 10, 25), date(2026, 10, 25)),
    (date(2026, 10, 30), date(2026, 11, 3)),
    (date(2026, 9, 28), date(2026, 10, 11)),
)
FILTERS = (
    EVERYTHING,
    Filter(event="Purchase"),
    Filter(event="Purchase", properties=(("plan", "pro"),)),
    Filter(event="Purchase", properties=(("plan", "pro"), ("place", "top"))),
    Filter(properties=(("plan", "free"),)),
    Filter(event="purchase", properties=(("plan", "no such plan"),)),
)

Comparison = tuple[str, Any, Any]


def events(site: str, number: int, seed: int, now: datetime) -> list[EventRow]:
    """Draw events of a site before ``now``, oldest first."""
    draw = random.Random(seed)  # noqa: S311 - the same each time
    drawn = (_event(draw, site, now) for _ in range(number))
    return sorted((row for row in drawn if row.timestamp < now), key=lambda row: row.timestamp)


def _event(draw: random.Random, site: str, now: datetime) -> EventRow:
    visitor = f"v{draw.randrange(200)}"
    name = draw.choice(("", "", "", "Signup", "Purchase", "Purchase", "purchase", "Bare"))
    keys = (
        ()
        if name in ("", "Bare")
        else tuple(draw.choice(("plan", "place", "plan")) for _ in range(draw.randrange(4)))
    )
    values = tuple(draw.choice(("pro", "free", "top", "", "é")) for _ in keys)
    paid = name in ("Purchase", "purchase") and draw.random() < 0.7
    moment = _moment(draw, now)
    return EventRow(
        site_id=site,
        timestamp=moment,
        type="custom" if name else "pageview",
        name=name,
        visitor_id=visitor,
        session_id="" if draw.random() < 0.1 else f"{visitor}-{moment.timestamp() // 5400:.0f}",
        pageview_id="",
        hostname=site,
        pathname="/",
        referrer="",
        meta_keys=keys,
        meta_values=values,
        revenue_source_amount=Decimal(draw.randrange(-500, 10_000)) / 100 if paid else None,
        revenue_source_currency=draw.choice(("EUR", "USD", "JPY")) if paid else "",
    )


def _moment(draw: random.Random, now: datetime) -> datetime:
    """Return a moment, often a recent one or one where clocks change."""
    kind = draw.random()
    if kind < 0.1:
        return now - timedelta(milliseconds=draw.randrange(1, 4 * 3_600_000))
    if kind < 0.5:
        return now - timedelta(milliseconds=draw.randrange(1, 40 * 86_400_000))
    if kind < 0.7:
        change = draw.choice(
            (
                datetime(2026, 10, 25, 1, tzinfo=UTC),
                datetime(2026, 11, 1, 6, tzinfo=UTC),
                datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
            )
        )
        return change + timedelta(milliseconds=draw.randrange(-86_400_000, 86_400_000))
    return now - timedelta(milliseconds=draw.randrange(1, 800 * 86_400_000))


def ranges(zone: str, now: datetime, only: str = "") -> Iterator[Range]:
    """Yield the ranges to compare in a time zone, or only one of a period."""
    for period in (only,) if only else PERIODS:
        yield Range.of(period, timezone=zone, now=now)
    if only:
        return
    for first, last in CUSTOM:
        yield Range.of("custom", timezone=zone, now=now, first=first, last=last)


def compared(reader: Reader, site: str, model: Model, zone: str, only: str = "") -> Iterator[Comparison]:
    """Yield what a figure is, what the reader says and what the model says, for every figure."""
    for range_ in ranges(zone, model.now, only):
        for by in FILTERS:
            about = f"{zone}, {range_.period} {range_.first} to {range_.last}, {by}"
            for what, read, counted in _figures(reader, site, model, range_, by):
                yield f"{what}: {about}", read, counted


def _figures(reader: Reader, site: str, model: Model, range_: Range, by: Filter) -> Iterator[Comparison]:
    period = model.period(range_.period, range_.timezone, range_.first, range_.last)
    seen = model.of(period, by)
    kpis = {kpi.key: (kpi.value, kpi.previous) for kpi in reader.kpis(site, range_, by)}
    counted, before = seen.kpis(GOALS), model.of(period.before(), by).kpis(GOALS)
    yield "KPIs", sorted(kpis), sorted(counted)
    for key, value in counted.items():
        yield f"KPI {key}", kpis.get(key), (value, before[key])
    money = {
        each.currency: (each.amount, each.count, each.average) for each in reader.revenue(site, range_, by)
    }
    yield from _pairs("revenue", money, seen.revenue())
    goals = {
        goal.event_name: (
            goal.conversions,
            goal.visitors,
            goal.rate,
            tuple((r.currency, r.amount) for r in goal.revenue),
        )
        for goal in reader.goals(site, range_, by)
    }
    yield from _pairs("goal", goals, seen.goals(GOALS))
    listed = {
        row.name: (row.count, row.visitors, row.revenue) for row in reader.events(site, range_, by=by).rows
    }
    yield from _pairs("event", listed, seen.events())
    for key in ("plan", "place"):
        page = reader.values(site, range_, "Purchase", key, details=True, by=by)
        values = {
            row.value: (row.count, row.visitors, tuple((r.currency, r.amount, r.count) for r in row.revenue))
            for row in page.rows
        }
        yield from _pairs(f"value of {key}", values, seen.values("Purchase", key))
    for interval in range_.intervals:
        for metric in FILTERED_METRICS if by else METRICS:
            found = reader.series(site, range_.by(interval), metric, by)
            yield from _points(f"{metric} by {interval}", found, seen.series(metric, interval, GOALS))
        earlier = range_.by(interval).previous(whole=True)
        if earlier:
            found = reader.series(site, earlier, "visitors", by)
            whole = model.of(period.before(whole=True), by)
            yield from _points(
                f"visitors before by {interval}", found, whole.series("visitors", interval, GOALS)
            )


def _pairs(what: str, read: dict[Any, Any], counted: dict[Any, Any]) -> Iterator[Comparison]:
    for key in sorted({*read, *counted}):
        yield f"{what} {key!r}", read.get(key), counted.get(key)


def _points(what: str, found: Any, counted: list[float]) -> Iterator[Comparison]:
    read = [point.value for point in found.points]
    yield f"{what}, number of steps", len(read), len(counted)
    for number, (one, other) in enumerate(zip(read, counted, strict=False)):
        yield f"{what}, step {number}", one, other


def write(client: Any, rows: list[EventRow]) -> None:
    """Store rows by month, as the loader does."""
    for _, some in groupby(rows, key=lambda row: f"{row.timestamp:%Y-%m}"):
        store(client, some)


def compare(
    url: str,
    state: Path,
    *,
    zones: tuple[str, ...],
    number: int,
    seed: int,
    tell: Callable[[str], None],
    now: datetime = NOW,
    only: str = "",
) -> tuple[int, int, int]:
    """Store and compare ``number`` events in each zone.

    Return the number of comparisons, of those that are not of zeros, and of those that differ.
    """
    client, clients = connect(url), Clients(url)
    settings = Settings(clients, state)
    reader = Reader(clients, settings)
    total = nonzero = wrong = 0
    for position, zone in enumerate(zones):
        site = f"zone{position}-{seed}.example"
        rows = events(site, number, seed + position, now)
        write(client, rows)
        settings.set_timezone(site, zone)
        for name in GOALS:
            settings.add_goal(site, name)
        for what, read, counted in compared(reader, site, Model(rows, now), zone, only):
            total += 1
            nonzero += any(counted) if isinstance(counted, tuple) else bool(counted)
            if read != counted:
                wrong += 1
                tell(f"{what}: read {read!r}, counted {counted!r}")
    client.close()
    return total, nonzero, wrong


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Compare and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--zone", action="append", help=f"a time zone; repeatable (default: {', '.join(ZONES)})"
    )
    parser.add_argument(
        "--now", type=datetime.fromisoformat, default=NOW, help=f"moment of the request (default: {NOW})"
    )
    parser.add_argument("--only", default="", choices=PERIODS, help="a single period (default: all)")
    parser.add_argument("--events", type=int, default=3000, help="events of a site (default: 3000)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LocalClickHouse(Path(folder) / "clickhouse") as clickhouse:
        client = connect(clickhouse.url)
        migrate(client)
        client.close()
        zones = tuple(given.zone or ZONES)
        total, nonzero, wrong = compare(
            clickhouse.url,
            Path(folder) / "state",
            zones=zones,
            number=given.events,
            seed=given.seed,
            tell=_tell,
            now=given.now,
            only=given.only,
        )
    sys.stdout.write(
        f"{total:,} comparisons in {len(zones)} time zones, {nonzero:,} not of zeros; {wrong:,} wrong\n"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
