"""The independent server with a fault for each cell of ``fixtures/transformations.toml``.

An event names its cell, a row and a place, in a text such as ``Verbatim html-unescape-value …``. The row's
transformation is applied to that place of that event and to no other text.
"""

import re
from typing import Any

from conformance.mutants.independent import server
from conformance.mutants.transforming.transformations import TRANSFORMATIONS

_CELL = re.compile(r"Verbatim (.+)-(name|key|value|currency)(?:-\d+)? ")
_intact = server.row_of


def transformed_row(body: bytes, client: str) -> dict[str, Any] | None:
    """Return the row of a body with its cell's fault, or None if that drops the event. Raises Refused."""
    row = _intact(body, client)
    cell = row and next(filter(None, map(_CELL.match, (row["name"], *row["meta_values"]))), None)
    if not row or not cell:
        return row
    transform, place = TRANSFORMATIONS[cell[1]], cell[2]
    pairs = list(zip(row["meta_keys"], row["meta_values"], strict=True))
    if place == "name":
        row["name"] = transform(row["name"])
    elif place == "currency":
        row["revenue_source_currency"] = transform(row["revenue_source_currency"])
    elif place == "key":
        pairs = [(made, value) for key, value in pairs if (made := transform(key)) is not None]
    else:
        pairs = [(key, made) for key, value in pairs if (made := transform(value)) is not None]
    row["meta_keys"], row["meta_values"] = [key for key, _ in pairs], [value for _, value in pairs]
    return row if row["name"] is not None else None


if __name__ == "__main__":
    server.row_of = transformed_row
    server.serve()
