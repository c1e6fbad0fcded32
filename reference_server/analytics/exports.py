"""Lists and raw events as CSV (RFC 4180), made by ClickHouse and never held in memory as a whole.

Spreadsheets run text that begins like a formula, and visitors choose the text: an apostrophe is put before.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from reference_server.analytics.results import GoalResult, Series
from reference_server.analytics.rollup_query import Lines, Source
from reference_server.storage.rollups import EVENTS, PROPERTIES
from reference_server.text import plain

# Full-width signs, too: some input methods and locales take them for the plain ones.
_FORMULA = re.compile(r"[=+@\t\r\n\uff1d\uff0b\uff20\uff0d-]")


_WITH = r"""
WITH text -> match(text, '^[=+@\\t\\r\\n\\x{ff1d}\\x{ff0b}\\x{ff20}\\x{ff0d}-]') AS is_formula,
    text -> if(is_formula(text), concat('\'', text), text) AS safe,
    revenue -> arrayStringConcat(
        arrayMap(each -> concat(each.1, ' ', toString(each.2)), arraySort(revenue)), '; ') AS amounts
"""
_EVENTS = """
SELECT safe(name) AS event, total AS count, who AS visitors, amounts(revenue) AS revenue
FROM (
    SELECT name, sum(count) AS total, uniqCombinedMerge(14)(visitors) AS who,
        groupArrayIf((currency, amount), currency != '') AS revenue
    FROM (
        SELECT name, currency, sum(count) AS count, sum(amount) AS amount,
            uniqCombinedMergeState(14)(visitors) AS visitors
        FROM {rollup_events} GROUP BY name, currency
    )
    GROUP BY name
)
ORDER BY total DESC, name
"""
_PROPERTIES = """
SELECT safe(name) AS event, safe(key) AS property, total AS count, distinct AS values
FROM (
    SELECT name, key, sum(count) AS total, uniqExact(value) AS distinct FROM {rollup_properties}
    WHERE ({any_name:Bool} OR name = {name:String}) AND ({any_key:Bool} OR key = {key:String})
    GROUP BY name, key
)
ORDER BY name, total DESC, key
"""
_VALUES = """
SELECT safe(name) AS event, safe(key) AS property, safe(value) AS value, total AS count,
    who AS visitors, amounts(revenue) AS revenue
FROM (
    SELECT name, key, value, sum(times) AS total, uniqCombinedMerge(14)(visitors) AS who,
        groupArrayIf((currency, amount), currency != '') AS revenue
    FROM (
        SELECT name, pair.1 AS key, pair.2 AS value, currency, sum(countEqual(pairs, pair)) AS times,
            sum(amount) AS amount, uniqCombinedState(14)(sipHash64(visitor_id)) AS visitors
        FROM (
            SELECT name, visitor_id,
                if(revenue_source_amount IS NULL, '', revenue_source_currency) AS currency,
                ifNull(revenue_source_amount, toDecimal128(0, 9)) AS amount,
                arrayZip(meta_keys, arrayResize(meta_values, length(meta_keys))) AS pairs
            FROM {events} WHERE type = 'custom' AND ({any_name:Bool} OR name = {name:String})
        )
        ARRAY JOIN arrayDistinct(pairs) AS pair
        WHERE {any_key:Bool} OR pair.1 = {key:String}
        GROUP BY name, key, value, currency
    )
    GROUP BY name, key, value
)
ORDER BY name, key, total DESC, value
"""
# In the order in which events are stored, so that nothing has to be sorted.
_RAW = """
SELECT concat(replaceOne(toString(timestamp), ' ', 'T'), 'Z') AS at, type, safe(name) AS name,
    safe(hostname) AS hostname, safe(pathname) AS pathname, safe(referrer) AS referrer,
    safe(visitor_id) AS visitor, safe(session_id) AS session, safe(pageview_id) AS pageview,
    toJSONString(meta_keys) AS properties, toJSONString(meta_values) AS values,
    ifNull(toString(revenue_source_amount), '') AS amount, revenue_source_currency AS currency
FROM {events} AS stored
ORDER BY toDate(stored.timestamp), stored.type, stored.name, stored.timestamp
"""


def events(source: Source) -> Lines:
    """Return the event names with their counts, visitors and revenue, the most common first."""
    return source.csv(_WITH + _EVENTS, EVENTS)


def properties(source: Source, event: str | None, property_: str | None) -> Lines:
    """Return the properties of an event, or of all of them."""
    return source.csv(_WITH + _PROPERTIES, PROPERTIES, values=_named(event, property_))


def values(source: Source, event: str | None, property_: str | None) -> Lines:
    """Return the values of properties with their counts, visitors and revenue."""
    return source.csv(_WITH + _VALUES, values=_named(event, property_))


def raw(source: Source) -> Lines:
    """Return the events as they are stored; properties and values are JSON arrays."""
    return source.csv(_WITH + _RAW)


def goals(rows: Iterable[GoalResult]) -> Iterator[bytes]:
    """Return the goals with their conversions."""
    yield _line("goal", "conversions", "visitors", "rate", "revenue")
    for goal in rows:
        amounts = "; ".join(f"{each.currency} {plain(each.amount)}" for each in goal.revenue)
        yield _line(goal.event_name, goal.conversions, goal.visitors, goal.rate, amounts)


def series(now: Series) -> Iterator[bytes]:
    """Return the steps of a chart."""
    yield _line(now.interval, now.metric)
    for point in now.points:
        yield _line(point.time.isoformat(), point.value)


def _named(event: str | None, property_: str | None) -> dict[str, object]:
    return {
        "any_name": event is None,
        "name": event or "",
        "any_key": property_ is None,
        "key": property_ or "",
    }


def _line(*cells: str | float) -> bytes:
    """Return a line of CSV; text that a spreadsheet would run is marked by an apostrophe."""
    safe = (f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in cells)
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerow(safe)
    return written.getvalue().encode()
