"""Lists of the dashboard: events, their properties and values, and names."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reference_server.analytics.results import (
    EventCount,
    EventPage,
    PropertyCount,
    PropertyPage,
    Revenue,
    ValueCount,
    ValuePage,
)
from reference_server.analytics.rollup_query import Row, Source
from reference_server.storage.rollups import EVENTS, PROPERTIES, Rollup
from reference_server.text import plain

SHOWN_CHARACTERS = 2000
"""Characters of a name that a page shows; a longer name would be sent whole with each refresh."""

_NAMES = 50
# Limits of a list without pages: the keys of an event.
_MOST_KEYS, _MOST_KEY_BYTES = 500, 256 * 1024
# Bytes of names or values in a response; further rows are left to the next page.
_MOST_BYTES = 1024**2

# The first rows of an ordered list up to a number of bytes, at least one, and the number of all rows.
_BOUNDED = """
SELECT {columns}, fetched FROM (
    SELECT *, count() OVER () AS fetched, sum(length({text})) OVER (
        ORDER BY total DESC, {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) - length({text}) AS before
    FROM ({rows})
)
WHERE before < {bytes:UInt32} ORDER BY total DESC, {order}
"""
# Most common first; ties in the order of their text (UTF-8 bytes, that is, code points). Names are grouped as
# they are stored, so that case distinguishes them (DASH-4).
_EVENTS = """
SELECT name, sum(count) AS total, {visitors} AS visitors, sum(with_properties) > 0 AS has_properties,
    groupArrayIf((currency, amount), currency != '') AS revenue
FROM (
    SELECT name, currency, sum(count) AS count, sum(with_properties) AS with_properties,
        sum(amount) AS amount, {states} AS visitors
    FROM {rollup_events}
    WHERE {search:String} = '' OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
    GROUP BY name, currency
)
GROUP BY name ORDER BY total DESC, name LIMIT {limit:UInt32} OFFSET {offset:UInt32}
"""
_VISITORS = {"visitors": "uniqCombinedMerge(14)(visitors)", "states": "uniqCombinedMergeState(14)(visitors)"}
_NO_VISITORS = {"visitors": "NULL", "states": "NULL"}
_EVENTS_TOTAL = """
SELECT uniqExact(name) FROM {rollup_events}
WHERE {search:String} = '' OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
"""
_PROPERTIES = """
SELECT key, sum(count) AS total, uniqExact(value) AS distinct, any(leftUTF8(value, {shown:UInt32})) AS only
FROM {rollup_properties}
WHERE name = {name:String} GROUP BY key ORDER BY total DESC, key LIMIT {limit:UInt32}
"""
_PROPERTIES_TOTAL = "SELECT uniqExact(key) FROM {rollup_properties} WHERE name = {name:String}"
_VALUES = """
SELECT value, sum(count) AS total FROM {rollup_properties}
WHERE name = {name:String} AND key = {key:String}
    AND ({search:String} = '' OR positionCaseInsensitiveUTF8(value, {search:String}) > 0)
GROUP BY value ORDER BY total DESC, value LIMIT {limit:UInt32} OFFSET {offset:UInt32}
"""
_VALUES_TOTAL = """
SELECT uniqExact(value) FROM {rollup_properties}
WHERE name = {name:String} AND key = {key:String}
    AND ({search:String} = '' OR positionCaseInsensitiveUTF8(value, {search:String}) > 0)
"""
_VALUES_COUNT = """
SELECT sum(count) FROM {rollup_properties} WHERE name = {name:String} AND key = {key:String}
"""
# An event that has the value twice counts once.
_VALUE_DETAILS = """
SELECT value, uniqCombinedMerge(14)(visitors),
    groupArrayIf((currency, amount, count), currency != '') AS revenue
FROM (
    SELECT value, currency, count() AS count, sum(amount) AS amount,
        uniqCombinedState(14)(sipHash64(visitor_id)) AS visitors
    FROM (
        SELECT visitor_id, if(revenue_source_amount IS NULL, '', revenue_source_currency) AS currency,
            ifNull(revenue_source_amount, toDecimal128(0, 9)) AS amount,
            arrayJoin(arrayDistinct(arrayFilter((v, k) -> k = {key:String},
                arrayResize(meta_values, length(meta_keys)), meta_keys))) AS value
        FROM {events} WHERE type = 'custom' AND name = {name:String} AND has(meta_keys, {key:String})
    )
    WHERE value IN (SELECT name FROM asked)
    GROUP BY value, currency
)
GROUP BY value
"""
_TOP_VALUES = """
SELECT key, value, sum(count) AS total FROM {rollup_properties}
WHERE name = {name:String} AND key IN (SELECT name FROM asked) GROUP BY key, value
ORDER BY total DESC, value LIMIT {limit:UInt32} BY key
"""
_IDENTIFIED = "SELECT name FROM {rollup_events} WHERE lower(hex(sipHash128(name))) = {id:String} LIMIT 1"
_NAMES_SEEN = """
SELECT name, sum(count) AS total FROM {rollup_events}
WHERE length(name) <= {longest:UInt32}
    AND ({search:String} = '' OR positionCaseInsensitiveUTF8(name, {search:String}) > 0)
GROUP BY name ORDER BY total DESC, name LIMIT {limit:UInt32}
"""


def events(
    source: Source, *, search: str, limit: int, offset: int, visitors: bool, shown: int | None = None
) -> EventPage:
    """Return a page of the event names of a range (DASH-1).

    ``shown`` is the number of characters of a name to return, None for all. Visitors cost more than
    everything else: a state of up to 12 KB for each name and bucket.
    """
    query = _EVENTS
    for place, text in (_VISITORS if visitors else _NO_VISITORS).items():
        query = query.replace(f"{{{place}}}", text)
    text = "name" if shown is None else f"leftUTF8(name, {int(shown)})"
    columns = (
        f"{text}, total, visitors, has_properties, revenue, lengthUTF8(name), lower(hex(sipHash128(name)))"
    )
    rows, complete = _bounded(
        source, query, EVENTS, columns, "name", text=text, search=search, limit=limit, offset=offset
    )
    total = offset + len(rows)
    if not complete or (offset and not rows):
        total = source.ask(_EVENTS_TOTAL, EVENTS, search=search)[0][0]
    return EventPage(
        rows=tuple(
            EventCount(
                name=name,
                count=count,
                visitors=visitors,
                has_properties=bool(has_properties),
                revenue=tuple(sorted((currency, Decimal(plain(amount))) for currency, amount in revenue)),
                characters=characters,
                id=id_,
            )
            for name, count, visitors, has_properties, revenue, characters, id_ in rows
        ),
        total=total,
    )


def identified(source: Source, id_: str) -> str | None:
    """Return the name with this ``EventCount.id``, or None if the range has none."""
    rows = source.ask(_IDENTIFIED, EVENTS, id=id_)
    return str(rows[0][0]) if rows else None


def properties(source: Source, event: str) -> PropertyPage:
    """Return the most common properties of an event (DASH-2), at most 500 and 256 KB of names."""
    rows, complete = _bounded(
        source,
        _PROPERTIES,
        PROPERTIES,
        "key, total, distinct, only",
        "key",
        name=event,
        shown=SHOWN_CHARACTERS,
        limit=_MOST_KEYS,
        most_bytes=_MOST_KEY_BYTES,
    )
    total = len(rows) if complete else source.ask(_PROPERTIES_TOTAL, PROPERTIES, name=event)[0][0]
    found = (
        PropertyCount(name=key, count=count, distinct=distinct, only=only if distinct == 1 else None)
        for key, count, distinct, only in rows
    )
    return PropertyPage(rows=tuple(found), total=total)


def values(
    source: Source, event: str, property_: str, *, search: str, limit: int, offset: int, details: bool = False
) -> ValuePage:
    """Return a page of the values of a property.

    ``details`` are visitors and revenue, which no rollup has: they are read from the events themselves.
    """
    wanted: dict[str, Any] = {"name": event, "key": property_, "search": search}
    rows, complete = _bounded(
        source, _VALUES, PROPERTIES, "value, total", "value", limit=limit, offset=offset, **wanted
    )
    total = offset + len(rows)
    if not complete or (offset and not rows):
        total = source.ask(_VALUES_TOTAL, PROPERTIES, **wanted)[0][0]
    found = tuple(ValueCount(value=value, count=count) for value, count in rows)
    if not details:
        return ValuePage(rows=found, total=total)
    count = source.ask(_VALUES_COUNT, PROPERTIES, name=event, key=property_)[0][0]
    return ValuePage(rows=_detailed(source, event, property_, found), total=total, count=count)


def _detailed(
    source: Source, event: str, property_: str, rows: tuple[ValueCount, ...]
) -> tuple[ValueCount, ...]:
    asked = [row.value for row in rows]
    found = {
        value: (visitors, revenue)
        for value, visitors, revenue in source.ask(_VALUE_DETAILS, names=asked, name=event, key=property_)
    }
    # A value that has just been stored may not be there yet.
    details = (found.get(row.value, (0, ())) for row in rows)
    return tuple(
        replace(row, visitors=visitors, revenue=revenues(revenue))
        for row, (visitors, revenue) in zip(rows, details, strict=True)
    )


def revenues(found: Iterable[tuple[str, Decimal, int]]) -> tuple[Revenue, ...]:
    """Return revenue by currency, sorted, from rows of currency, amount and count."""
    return tuple(
        Revenue(currency=currency, amount=Decimal(plain(amount)), count=count)
        for currency, amount, count in sorted(found)
    )


def top_values(
    source: Source, event: str, keys: Iterable[str], limit: int
) -> dict[str, tuple[ValueCount, ...]]:
    """Return the most common values of several properties of an event."""
    found: dict[str, tuple[ValueCount, ...]] = {}
    for key, value, count in source.ask(_TOP_VALUES, PROPERTIES, names=keys, name=event, limit=limit):
        found[key] = (*found.get(key, ()), ValueCount(value=value, count=count))
    return found


def names(
    source: Source, search: str = "", *, limit: int = _NAMES, longest: int = 2**32 - 1
) -> tuple[str, ...]:
    """Return the most common event names of at most ``longest`` bytes each, 1 MB in total."""
    rows, _ = _bounded(
        source, _NAMES_SEEN, EVENTS, "name", "name", search=search, limit=limit, longest=longest
    )
    return tuple(name for (name,) in rows)


def _bounded(
    source: Source,
    query: str,
    rollup: Rollup,
    columns: str,
    order: str,
    *,
    text: str = "",
    limit: int,
    most_bytes: int = _MOST_BYTES,
    **values: Any,
) -> tuple[list[Row], bool]:
    """Return the first rows of a list, ordered by total and ``order``, and True if no row is missing.

    The rows have at most ``most_bytes`` of ``text`` (by default the column of the order), unless the
    first row alone has more.
    """
    parts = {"columns": columns, "order": order, "text": text or order, "rows": query}
    bounded = _BOUNDED
    for place, part in parts.items():
        bounded = bounded.replace(f"{{{place}}}", part)
    found = source.ask(bounded, rollup, limit=limit, bytes=most_bytes, **values)
    rows = [row[:-1] for row in found]
    return rows, not found or found[0][-1] == len(found) < limit
