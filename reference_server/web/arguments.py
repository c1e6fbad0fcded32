"""Arguments of a request's query: ranges of days, and length limits."""

import re
from datetime import date

from flask import abort, request

from reference_server.analytics.ranges import DEFAULT_PERIOD, Range
from reference_server.analytics.reader import Reader

MOST_CHARACTERS = 16_384
"""Characters of one argument. A name of 10,000 fits, and ClickHouse accepts it as a bound value."""


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def asked_range(reader: Reader, site: str) -> Range:
    """Return the range given by ``period``, ``from`` and ``to``; the last two suffice for a custom one.

    Raises ValueError that names the argument, its text, and what it must be.
    """
    first, last = _day("from"), _day("to")
    custom = first is not None or last is not None
    period = request.args.get("period", "custom" if custom else DEFAULT_PERIOD)
    if custom and period != "custom":
        raise ValueError(f"from and to require the period custom (got {period[:100]!r})")
    return reader.range(site, period, first=first, last=last)


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
