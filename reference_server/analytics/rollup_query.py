"""Queries on the rollups of a range or, for the last minutes, on the events themselves."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from clickhouse_connect.driver.external import ExternalData

from reference_server.analytics.ranges import Range
from reference_server.storage.client import Clients
from reference_server.storage.rollups import DAY, HOUR, QUARTER, SESSIONS, STEPS, Rollup

Row = tuple[Any, ...]

# A query that takes longer fails; the client would not wait for it either.
_QUERY_SECONDS = 25
_MINUTE = 60


class Source:
    """The rows of one site in one range."""

    def __init__(self, clients: Clients, site: str, range_: Range) -> None:
        self._clients = clients
        self._site = site
        self._range = range_
        self._start, self._end = _milliseconds(range_.start), _milliseconds(range_.end)

    def ask(
        self,
        query: str,
        *rollups: Rollup,
        step: int = 0,
        names: Iterable[str] | None = None,
        **values: object,
    ) -> list[Row]:
        """Return the rows of a query that names rollups in braces.

        Each rollup is restricted to the site and the range and, if ``step`` is given, to buckets of
        that length (seconds). Text from outside is bound: single texts as ``values``, a list of any
        size as ``names``, which the query reads from the table ``asked`` (one column, ``name``).
        """
        for rollup in rollups:
            query = query.replace(f"{{{rollup.table}}}", self._rows(rollup, step))
        return ask(self._clients, query, {"site": self._site, **values}, names)

    def _rows(self, rollup: Rollup, step: int) -> str:
        if self._range.raw:
            return f"({rollup.of_events(_between(self._start, self._end), (_MINUTE,))})"
        start, end = self._start // 1000, self._end // (1000 * QUARTER) * QUARTER
        if rollup is SESSIONS:
            days = f"day BETWEEN toDate(toDateTime({start}, 'UTC')) AND toDate(toDateTime({end - 1}, 'UTC'))"
            where = f"{days} AND bucket >= {start} AND bucket < {end}"
        else:
            parts = [(step, start, end)] if step else pieces(start, end)
            where = " OR ".join(
                f"(step = {length} AND bucket >= {first} AND bucket < {last})"
                for length, first, last in parts
            )
        # The text contains only numbers and the names of our own tables.
        rows = f"SELECT * FROM {rollup.table} WHERE site = {{site:String}} AND ({where or 0})"  # noqa: S608
        if self._end > 1000 * end:  # A range that ends inside of a quarter of an hour.
            rows += f" UNION ALL {rollup.of_events(_between(1000 * end, self._end), (QUARTER,))}"
        return f"({rows})"


def ask(
    clients: Clients, query: str, values: Mapping[str, object], names: Iterable[str] | None = None
) -> list[Row]:
    """Return the rows of a query with bound values, and with ``names`` as the table ``asked``."""
    result = clients.get().query(
        query,
        parameters=dict(values),
        settings={"max_execution_time": _QUERY_SECONDS},
        external_data=None if names is None else _table(names),
    )
    return [tuple(row) for row in result.result_rows]


def _table(names: Iterable[str]) -> ExternalData:
    """Return names as a table that is sent in the request's body.

    ClickHouse limits a bound value to 128 KiB, which a few long names exceed.
    """
    lines = b"\n".join(msgspec.json.encode({"name": name}) for name in names)
    return ExternalData(file_name="asked", fmt="JSONEachRow", structure=["name String"], data=lines)


def pieces(start: int, end: int, steps: tuple[int, ...] = STEPS[::-1]) -> Iterator[tuple[int, int, int]]:
    """Yield the fewest buckets that cover a range (seconds), as (step, start, end)."""
    step, *finer = steps
    first, last = -(-start // step) * step, end // step * step
    if not finer:  # Ranges end with whole quarters of an hour.
        first, last = start // step * step, -(-end // step) * step
    if first >= last:
        if finer:
            yield from pieces(start, end, tuple(finer))
        return
    if start < first:
        yield from pieces(start, first, tuple(finer))
    yield step, first, last
    if last < end:
        yield from pieces(last, end, tuple(finer))


def common_step(moments: tuple[datetime, ...]) -> int:
    """Return the longest step whose buckets begin at each of these moments."""
    seconds = [int(moment.timestamp()) for moment in moments]
    return next((step for step in (DAY, HOUR) if all(s % step == 0 for s in seconds)), QUARTER)


def _between(start: int, end: int) -> str:
    """Return the condition for the site's events from ``start`` until before ``end`` (milliseconds)."""
    return f"""site_id = {{site:String}} AND timestamp >= fromUnixTimestamp64Milli({start})
        AND timestamp < fromUnixTimestamp64Milli({end})"""


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
