"""Arguments of a request's query: ranges of days, and length limits."""

import re
from datetime import date

from flask import abort, request

from reference_server.analytics.filters import MOST_PROPERTIES, Filter
from reference_server.analytics.ranges import DEFAULT_PERIOD, Range
from reference_server.analytics.reader import Reader

MOST_CHARACTERS = 16_384
"""Characters of one argument. A name of 10,000 fits, and ClickHouse accepts it as a bound value."""


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def asked_range(reader: Reader, site: str) -> Range:
    """Return the range given by ``period``, ``from`` and ``to``; the last two suffice for a custom one.

    ``interval`` gives the steps of its series. Raises ValueError that names the argument, its text, and what
    it must be.
    """
    interval = request.args.get("interval")
    range_ = _range(reader, site)
    return range_ if interval is None else range_.by(interval)


def shown_range(reader: Reader, site: str) -> Range:
    """Return the range of a page, which keeps an ``interval`` for the ranges that can have it."""
    interval = request.args.get("interval", "")
    range_ = _range(reader, site)
    return range_.by(interval) if interval in range_.intervals else range_


def _range(reader: Reader, site: str) -> Range:
    first, last = _day("from"), _day("to")
    custom = first is not None or last is not None
    period = request.args.get("period", "custom" if custom else DEFAULT_PERIOD)
    if custom and period != "custom":
        raise ValueError(f"from and to require the period custom (got {period[:100]!r})")
    return reader.range(site, period, first=first, last=last)


PROPERTY = "prop."
"""Beginning of the names of arguments that filter by a value of a property: ``prop.plan=pro``."""


def asked_filter(reader: Reader, site: str) -> Filter:
    """Return the filter given by ``event`` (or ``event_id``, for a long name) and ``prop.…``.

    Raises ValueError that names the argument.
    """
    event, id_ = request.args.get("event"), request.args.get("event_id")
    if event is None and id_ is not None:
        event = reader.event_name(site, reader.range(site, "all"), id_)
        if event is None:
            raise ValueError(f"event_id must be that of an event of this site (got {id_[:100]!r})")
    pairs = [
        (name.removeprefix(PROPERTY), value)
        for name, value in request.args.items(multi=True)
        if name.startswith(PROPERTY)
    ]
    if len(pairs) > MOST_PROPERTIES:
        raise ValueError(f"at most {MOST_PROPERTIES} properties can be combined (got {len(pairs)})")
    return Filter(event=event, properties=tuple(dict.fromkeys(pairs)))


def _day(name: str) -> date | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        # Other ISO 8601 spellings are not accepted.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f"{name} must be a day as YYYY-MM-DD (got {text[:100]!r})") from None


def require_short_arguments() -> None:
    """Abort the current request with 400 if an argument of its query is too long."""
    for name, value in request.args.items(multi=True):
        if len(value) > MOST_CHARACTERS:
            abort(400, f"{name[:100]} must have at most {MOST_CHARACTERS:,} characters (got {len(value):,})")
