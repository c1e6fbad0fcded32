"""Bounds of what the address of a request may ask for."""

from flask import abort, request

MOST_CHARACTERS = 16_384
"""Characters of one argument: a name of 10,000 fits, and ClickHouse takes it as a bound value."""


def require_short_arguments() -> None:
    """Abort the current request with 400 if an argument of its query is too long."""
    for name, value in request.args.items(multi=True):
        if len(value) > MOST_CHARACTERS:
            abort(400, f"{name[:100]} must have at most {MOST_CHARACTERS:,} characters (got {len(value):,})")
