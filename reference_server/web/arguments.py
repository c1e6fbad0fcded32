"""The arguments of a request's address: ranges of days, and bounds."""

import re
from datetime import date

from flask import abort, request

from reference_server.analytics.ranges import DEFAULT_PERIOD, Range
from reference_server.analytics.reader import Reader

MOST_CHARACTERS = 16_384
"""Characters of one argument: a name of 10,000 fits, and ClickHouse takes it as a bound value."""


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def asked_range(reader: Reader, site: str) -> Range:
    """Return the range that ``period``, ``from`` and ``to`` ask for; a custom one needs the last two alone.

    Raises ValueError with the argument, the text that it has, and what it must be.
    """
    first, last = _day("from"), _day("to")
    custom = first is not None or last is not None
    period = request.args.get("period", "custom" if custom else DEFAULT_PERIOD)
    if custom and period != "custom":
        raise ValueError(f"from and to belong to the period custom, not to {period[:100]!r}")
    return reader.range(site, period, first=first, last=last)


def _day(name: str) -> date | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        # ISO 8601 has other spellings, which are not accepted.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f"{name} must be a day as YYYY-MM-DD, not {text[:100]!r}") from None


def require_short_arguments() -> None:
    """Abort the current request with 400 if an argument of its query is too long."""
    for name, value in request.args.items(multi=True):
        if len(value) > MOST_CHARACTERS:
            abort(400, f"{name[:100]} must have at most {MOST_CHARACTERS:,} characters (got {len(value):,})")
