"""Measure the queries of the dashboard's panels on a million events or more; print a Markdown table.

    python benchmarks/panel_times.py 1e6 1e7 1e8

The events are generated in ClickHouse: 90 days of one site, half of them pageviews, 20 names, sessions of six
events. Times are medians of five and include the conversion to Python objects.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from clickhouse_connect.driver.client import Client

from reference_server.analytics.filters import EVERYTHING, Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.rollups import ROLLUPS, restore
from reference_server.storage.schema import migrate

SITE = "example.com"
DAYS = 90
CHUNK = 1_000_000
TRIES = 5
# For a panel that rollups answer, by the number of events.
BOUND_MS = {1_000_000: 250, 10_000_000: 500, 100_000_000: 1000}
FROM_EVENTS = "from events"
EVENT = Filter(event="Event 19")
VALUE = Filter(event="Event 19", properties=(("plan", "pro"),))
ANY_EVENT = Filter(properties=(("plan", "pro"),))
# Half an hour off UTC: the ends of its days are the most expensive to query.
TIMEZONE = "Asia/Kolkata"

# The events of a session are 100 seconds apart, for any number of events.
EVENTS = """
INSERT INTO events
WITH greatest(1, intDiv({total:UInt64} * 100, 86400 * {days:UInt64})) AS apart,
    intDiv(number, apart * 6) * apart + number % apart AS session,
    if(number % 2 = 0, 'pageview', 'custom') AS kind,
    if(kind = 'custom', toUInt8(sqrt(cityHash64(number) % 400)), 0) AS which
SELECT {site:String}, {start:DateTime64(3, 'UTC')} + toIntervalMillisecond(
        intDiv(number * 86400000 * {days:UInt64}, {total:UInt64})),
    kind, if(kind = 'custom', concat('Event ', toString(which)), ''),
    concat('v', toString(intDiv(session * 2, 3))), concat('s', toString(session)), '',
    {site:String}, '/', '',
    if(kind = 'custom', ['plan', 'source'], []),
    if(kind = 'custom', [arrayElement(['free', 'pro', 'team'], number % 3 + 1), toString(number % 50)], []),
    if(which = 19, toDecimal128(number % 100, 9) + toDecimal128('0.99', 9), NULL),
    if(which = 19, if(number % 3 = 0, 'EUR', 'USD'), '')
FROM numbers({first:UInt64}, {count:UInt64})
"""


def panels(reader: Reader) -> dict[str, Callable[[], object]]:
    """Return the queries of the dashboard, by panel."""

    def of(period: str) -> dict[str, Callable[[], object]]:
        range_ = reader.range(SITE, period)
        return {
            f"events, {period}": lambda: reader.events(SITE, range_, visitors=False),
            f"events with visitors (API), {period}": lambda: reader.events(SITE, range_),
            f"KPIs, {period}": lambda: reader.kpis(SITE, range_),
        }

    month = reader.range(SITE, "30d")
    year = reader.range(SITE, "year")

    def page(range_: Range, by: Filter = EVERYTHING, *, before: bool = True) -> Callable[[], object]:
        """Return what a page reads at each update; ``before`` with the period before and charts of goals."""
        return lambda: _page(reader, range_, by, before=before)

    return {
        "page without comparison and charts of goals, 30d": page(month, before=False),
        "page, 30d": page(month),
        "page, year": page(year),
        "page of an event, 30d": page(month, EVENT),
        f"page of an event and a value, 30d, {FROM_EVENTS}": page(month, VALUE),
        f"page of a value of any event, 30d, {FROM_EVENTS}": page(month, ANY_EVENT),
        **of("30d"),
        "events searched, 30d": lambda: reader.events(SITE, month, search="event 1", visitors=False),
        "properties, 30d": lambda: reader.properties(SITE, month, "Event 19"),
        "values (API), 30d": lambda: reader.values(SITE, month, "Event 19", "source"),
        f"values with visitors and revenue, 30d, {FROM_EVENTS}": lambda: reader.values(
            SITE, month, "Event 19", "source", details=True
        ),
        "charts of goals, 30d": lambda: reader.trends(SITE, month, ["Event 19"]),
        "goals, 30d": lambda: reader.goals(SITE, month),
        "chart of visitors, 30d": lambda: reader.series(SITE, month, "visitors"),
        "chart of conversions, 30d": lambda: reader.series(SITE, month, "conversions"),
        "usage": lambda: reader.usage(SITE),
        "suggestions": lambda: reader.names(SITE, "even"),
        "advice, 30d": lambda: reader.advice(SITE, month),
        **of("all"),
        **of("24h"),
        **of("realtime"),
    }


def _page(reader: Reader, range_: Range, by: Filter, *, before: bool) -> None:
    reader.kpis(SITE, range_, by)
    reader.goals(SITE, range_, by)
    reader.series(SITE, range_, "visitors", by)
    reader.usage(SITE)
    reader.events(SITE, range_, visitors=False, by=by)
    if by:
        reader.revenue(SITE, range_, by)
    previous = range_.previous(whole=True)
    if before and previous:
        reader.series(SITE, previous, "visitors", by)
        reader.trends(SITE, range_, ["Event 19"], by)


def fill(client: Client, total: int) -> float:
    """Insert ``total`` events and fill the rollups; return the seconds that this took."""
    began = time.monotonic()
    now = datetime.now(UTC)
    for first in range(0, total, CHUNK):
        values = {
            **{"site": SITE, "days": DAYS, "total": total, "first": first},
            "count": min(CHUNK, total - first),
            "start": datetime.fromtimestamp(now.timestamp() - DAYS * 86400, UTC),
        }
        client.command(EVENTS, parameters=values, settings={"insert_deduplicate": 0})
    for rollup in ROLLUPS:
        client.command(f"DROP TABLE {rollup.table} SYNC")
    restore(client)
    return time.monotonic() - began


def sizes(client: Client, total: int) -> dict[str, float]:
    """Return the bytes on disk of each table, divided by the number of events."""
    query = (
        "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND table IN {tables:Array(String)} "
    )
    tables = ["events", *(rollup.table for rollup in ROLLUPS)]
    rows = client.query(query + "GROUP BY table ORDER BY table", parameters={"tables": tables}).result_rows
    return {f"{table}, bytes an event": size / total for table, size in rows}


def measured(total: int) -> dict[str, float]:
    """Return all figures, by name, for ``total`` events."""
    with tempfile.TemporaryDirectory() as folder, LocalClickHouse(Path(folder) / "clickhouse") as clickhouse:
        client = connect(clickhouse.url)
        migrate(client)
        filling = fill(client, total)
        settings = Settings(Clients(clickhouse.url), Path(folder) / "state")
        settings.set_timezone(SITE, TIMEZONE)
        settings.add_goal(SITE, "Event 19")
        reader = Reader(Clients(clickhouse.url), settings)
        for ask in panels(reader).values():  # Caches are filled, and the parts of tables merged meanwhile.
            ask()
        times = {f"{name}, ms": milliseconds(ask) for name, ask in panels(reader).items()}
        return times | sizes(client, total) | {"thousand events made in a second": total / filling / 1000}


def milliseconds(ask: Callable[[], object]) -> float:
    """Return the median time of some calls."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return 1000 * median(times)


def main(numbers: list[str]) -> None:
    """Print the table; the growth is the ratio of the last number of events to the first."""
    totals = [int(float(number)) for number in numbers] or [1_000_000, 10_000_000]
    columns = [measured(total) for total in totals]
    header = ["", *(f"{total:,} events" for total in totals), "growth"]
    rows = [header, ["---"] * len(header)]
    for name in columns[0]:
        figures = [column[name] for column in columns]
        written = (f"{figure:.0f}" if figure >= 10 else f"{figure:.1f}" for figure in figures)
        rows.append([name, *written, f"× {figures[-1] / figures[0]:.1f}"])
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)
    slow = [
        f"{name} took {column[name]:.0f} ms on {total:,} events, at most {BOUND_MS[total]} are allowed\n"
        for total, column in zip(totals, columns, strict=True)
        for name in column
        if total in BOUND_MS
        and name.endswith(", ms")
        and FROM_EVENTS not in name
        and column[name] > BOUND_MS[total]
    ]
    sys.stderr.writelines(slow)
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
