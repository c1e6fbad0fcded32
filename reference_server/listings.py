"""The lists of the dashboard: events, their properties, their values, names."""

from decimal import Decimal
from typing import Any

from reference_server.clickhouse.rollups import EVENTS, PROPERTIES
from reference_server.results import EventCount, EventPage, PropertyCount, ValueCount, ValuePage
from reference_server.sources import Source
from reference_server.text import plain

_NAMES = 50

# Most common first, ties by their text: bytes of UTF-8, the order of code points.
_EVENTS = """
SELECT name, sum(count) AS total, {visitors}, sum(with_properties) > 0,
    groupArrayIf((currency, amount), currency != '')
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
SELECT key, sum(count) AS total, uniqExact(value) FROM {rollup_properties}
WHERE name = {name:String} GROUP BY key ORDER BY total DESC, key
"""
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
_TOP_VALUES = """
SELECT key, value, sum(count) AS total FROM {rollup_properties}
WHERE name = {name:String} GROUP BY key, value
ORDER BY total DESC, value LIMIT {limit:UInt32} BY key
"""
_NAMES_SEEN = """
SELECT name FROM {rollup_events}
WHERE {search:String} = '' OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
GROUP BY name ORDER BY sum(count) DESC, name LIMIT {limit:UInt32}
"""


def events(source: Source, *, search: str, limit: int, offset: int, visitors: bool) -> EventPage:
    """Return the event names of a range, as many as fit on a page.

    Their visitors cost more than all the rest: a state of up to 12 KB for each name and bucket.
    """
    query = _EVENTS
    for place, text in (_VISITORS if visitors else _NO_VISITORS).items():
        query = query.replace(f"{{{place}}}", text)
    rows = source.ask(query, EVENTS, search=search, limit=limit, offset=offset)
    total = offset + len(rows)
    if len(rows) == limit or (offset and not rows):
        total = source.ask(_EVENTS_TOTAL, EVENTS, search=search)[0][0]
    return EventPage(
        rows=tuple(
            EventCount(
                name=name,
                count=count,
                visitors=visitors,
                has_properties=bool(has_properties),
                revenue=tuple(sorted((currency, Decimal(plain(amount))) for currency, amount in revenue)),
            )
            for name, count, visitors, has_properties, revenue in rows
        ),
        total=total,
    )


def properties(source: Source, event: str) -> tuple[PropertyCount, ...]:
    """Return the properties of an event."""
    rows = source.ask(_PROPERTIES, PROPERTIES, name=event)
    return tuple(PropertyCount(name=key, count=count, distinct=distinct) for key, count, distinct in rows)


def values(source: Source, event: str, property_: str, *, search: str, limit: int, offset: int) -> ValuePage:
    """Return the values of a property, as many as fit on a page."""
    wanted: dict[str, Any] = {"name": event, "key": property_, "search": search}
    rows = source.ask(_VALUES, PROPERTIES, limit=limit, offset=offset, **wanted)
    total = offset + len(rows)
    if len(rows) == limit or (offset and not rows):
        total = source.ask(_VALUES_TOTAL, PROPERTIES, **wanted)[0][0]
    return ValuePage(rows=tuple(ValueCount(value=value, count=count) for value, count in rows), total=total)


def top_values(source: Source, event: str, limit: int) -> dict[str, tuple[ValueCount, ...]]:
    """Return the most common values of each property of an event."""
    found: dict[str, tuple[ValueCount, ...]] = {}
    for key, value, count in source.ask(_TOP_VALUES, PROPERTIES, name=event, limit=limit):
        found[key] = (*found.get(key, ()), ValueCount(value=value, count=count))
    return found


def names(source: Source, search: str, limit: int = _NAMES) -> tuple[str, ...]:
    """Return the most common names of events."""
    return tuple(name for (name,) in source.ask(_NAMES_SEEN, EVENTS, search=search, limit=limit))
