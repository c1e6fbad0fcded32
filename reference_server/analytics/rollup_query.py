"""Queries on the rollups of a range or, for the last minutes, on the events themselves."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData

from reference_server.analytics import running
from reference_server.analytics.filters import EVERYTHING, Filter
from reference_server.analytics.ranges import Range
from reference_server.storage.client import Clients
from reference_server.storage.rollups import DAY, EVENTS, HOUR, QUARTER, SESSIONS, STEPS, TRAFFIC, Rollup

Row = tuple[Any, ...]

# The clauses that may follow a table with PREWHERE; an alias or a join needs a subquery.
_CLAUSE = r"(?=\s*(?:$|\)|(?:WHERE|GROUP|HAVING|ORDER|LIMIT|UNION)\b))"
_LIMITS = re.compile(r"\b(?:GROUP|HAVING|ORDER|LIMIT|UNION)\b|[()]")
# Columns of sums: "name SimpleAggregateFunction(sum, …", "name AggregateFunction(uniqCombined(14), …".
_SUMS = re.compile(r"(\w+) (?:SimpleAggregateFunction\((\w+)|AggregateFunction\((\w+)\((\d+)\))")
_MINUTE = 60
# The columns of rollup_traffic, by the names of those of rollup_events.
_TRAFFIC_OF_EVENTS = "SELECT step, bucket, toUInt64(0) AS pageviews, count AS customs, visitors FROM "


# A client may take a long result slowly; its query ends if it leaves.
_EXPORT_SECONDS = 3600
# Rows of ``events`` that are read together: properties of one may have 360 KB.
_OF_EVENTS = {"max_block_size": 2048}
_CSV = {
    "output_format_csv_crlf_end_of_line": 1,
    # ClickHouse would keep the whole result until its end.
    "wait_end_of_query": 0,
    "output_format_parallel_formatting": 0,
    "max_threads": 2,
    "http_send_timeout": _EXPORT_SECONDS,
    "send_timeout": _EXPORT_SECONDS,
}
_BLOCK = 64 * 1024


class Lines:
    """Bytes of a result, read as they are needed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while block := self._stream.read(_BLOCK):
            yield block

    def close(self) -> None:
        """End the connection to ClickHouse."""
        self._stream.close()


class Source:
    """The rows of one site in one range, of all events or of those that a filter selects."""

    def __init__(self, clients: Clients, site: str, range_: Range, filter_: Filter = EVERYTHING) -> None:
        self._clients = clients
        self._site = site
        self._range = range_
        self._filter = filter_
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
        size as ``names``, which the query reads from the table ``asked`` (one column, ``name``). The events
        themselves are ``{events}``.
        """
        return ask(self._clients, *self.prepared(query, *rollups, step=step, values=values), names)

    def csv(self, query: str, *rollups: Rollup, values: Mapping[str, object] | None = None) -> "Lines":
        """Return the result of a query as CSV (RFC 4180) while ClickHouse finds it."""
        query, bound = self.prepared(query, *rollups, values=values or {})
        settings = {**running.settings(), **_OF_EVENTS, **_CSV, "max_execution_time": _EXPORT_SECONDS}
        with _left():
            stream = self._clients.get().raw_stream(query, dict(bound), settings=settings, fmt="CSVWithNames")
        return Lines(stream)

    def prepared(
        self, query: str, *rollups: Rollup, step: int = 0, values: Mapping[str, object]
    ) -> tuple[str, dict[str, object]]:
        """Return a query as ClickHouse gets it, and the values bound in it."""
        for rollup in rollups:
            query = self._replaced(query, rollup, step)
        # The text of the condition is our own; values of the filter are bound.
        selected = f"(SELECT * FROM events WHERE {self._events(self._start)})"  # noqa: S608
        query = query.replace("{events}", selected)
        return query, {"site": self._site, **self._filter.values, **values}

    def _events(self, start: int) -> str:
        """Return the condition for the selected events from ``start`` (milliseconds) on."""
        between = _between(start, self._end)
        return f"{between} AND {self._filter.condition}" if self._filter else between

    def _has_buckets(self, rollup: Rollup) -> bool:
        """Return True if the rows are those of the rollup, not computed from other tables."""
        # No rollup has values of properties together.
        elsewhere = self._filter.properties or (self._filter and rollup is TRAFFIC)
        return not (self._range.raw or elsewhere)

    def _replaced(self, query: str, rollup: Rollup, step: int) -> str:
        place = f"{{{rollup.table}}}"
        if self._clients.cluster and self._has_buckets(rollup):
            # A subquery would bring the rows of all shards to one server, which would then add them up.
            condition, rest = self._condition(rollup, step)
            if rest:
                before, *following = query.split(place)
                rows = _partial_sums(rollup, query)
                sources = (f"{rollup.table} PREWHERE {condition}", f"({rest})")
                return before + "".join(_united(rows, sources, after) for after in following)
            query = re.sub(
                re.escape(place) + _CLAUSE, lambda _: f"{rollup.table} PREWHERE {condition}", query
            )
        return query.replace(place, self._rows(rollup, step)) if place in query else query

    def _rows(self, rollup: Rollup, step: int) -> str:
        if self._range.raw:
            return f"({rollup.of_events(self._events(self._start), (_MINUTE,))})"
        if self._filter.properties:
            return f"({rollup.of_events(self._events(self._start), (step or DAY,))})"
        if not self._has_buckets(rollup):
            return f"({_TRAFFIC_OF_EVENTS}{self._rows(EVENTS, step)})"
        condition, rest = self._condition(rollup, step)
        rows = f"SELECT * FROM {rollup.table} WHERE {condition}"  # noqa: S608 - see _condition
        return f"({rows} UNION ALL {rest})" if rest else f"({rows})"

    def _condition(self, rollup: Rollup, step: int) -> tuple[str, str]:
        """Return the condition for whole buckets, and the query of the rest of the range, or ""."""
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
        condition = f"site = {{site:String}} AND ({where or 0})"
        if self._filter:
            condition += " AND name = {filter_name:String}"
        rest = ""
        if self._end > 1000 * end:  # A range that ends inside of a quarter of an hour.
            rest = rollup.of_events(self._events(1000 * end), (QUARTER,))
        return condition, rest


def ask(
    clients: Clients, query: str, values: Mapping[str, object], names: Iterable[str] | None = None
) -> list[Row]:
    """Return the rows of a query with bound values, and with ``names`` as the table ``asked``."""
    sent = None if names is None else _table(names)
    settings = {**running.settings(), **(_OF_EVENTS if " FROM events " in query else {})}
    with _left():
        result = clients.run(
            lambda client: client.query(query, parameters=dict(values), settings=settings, external_data=sent)
        )
    return [tuple(row) for row in result.result_rows]


@contextmanager
def _left() -> Iterator[None]:
    """Raise Left instead of the error of a query that was ended because its client has left."""
    try:
        yield
    except ClickHouseError:
        if running.is_left():
            raise running.Left from None
        raise


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


def _united(rows: str, sources: Iterable[str], after: str) -> str:
    """Return the rows of all sources in parentheses, and then the query's text ``after`` its table.

    A condition in it is applied to the sources, too: it names only keys of the rollup, and ClickHouse would
    otherwise add up the rows of all sessions before it took its sample of them.
    """
    where = _condition_of(after)
    return f"({' UNION ALL '.join(rows.replace('{source}', source + where) for source in sources)}){after}"


def _condition_of(after: str) -> str:
    """Return the WHERE clause with which a text begins, or ""."""
    if not re.match(r"\s*WHERE\b", after):
        return ""
    depth, end = 0, len(after)
    for word in _LIMITS.finditer(after):
        depth += {"(": 1, ")": -1}.get(word[0], 0)
        if depth < 0 or (depth == 0 and word[0] not in "()"):
            end = word.start()
            break
    return after[:end]


def _partial_sums(rollup: Rollup, query: str) -> str:
    """Return a query of ``{source}`` that adds up rows of a rollup by the columns that a query names."""
    named = set(re.findall(r"\w+", query))
    keys = ["site", *(key for key in rollup.order.split(", ") if key in named and key != "site")]
    sums = [
        f"{simple or f'{state}MergeState({size})'}({name}) AS {name}"
        for name, simple, state, size in _SUMS.findall(rollup.columns)
        if name in named
    ]
    return f"SELECT {', '.join(keys + sums)} FROM {{source}} GROUP BY {', '.join(keys)}"  # noqa: S608


def _between(start: int, end: int) -> str:
    """Return the condition for the site's events from ``start`` until before ``end`` (milliseconds)."""
    return f"""site_id = {{site:String}} AND timestamp >= fromUnixTimestamp64Milli({start})
        AND timestamp < fromUnixTimestamp64Milli({end})"""


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
