"""The row type of stored events, and its reading from JSON lines."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Protocol

from conformance.protocol.outcomes import TargetUnavailable

COLUMNS = (
    "type",
    "name",
    "meta_keys",
    "meta_values",
    "revenue_source_amount",
    "revenue_source_currency",
)


_MOST_DIGITS = 10_000
# The errors of lines that are not rows; RecursionError for ten thousand brackets.
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, RecursionError)


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    """A stored row, with the column names of the documentation (STORE-1 to STORE-4).

    ``session_id`` and ``pageview_id`` are ``None`` if the readback does not include them. An amount that is
    not a number stays a string.
    """

    type: str
    name: str
    meta_keys: tuple[str, ...]
    meta_values: tuple[str, ...]
    revenue_source_amount: Decimal | str | None
    revenue_source_currency: str | None
    session_id: str | None = None
    pageview_id: str | None = None

    def carries(self, token: str) -> bool:
        """Return True if the token occurs in the name or in a property value; compared case-insensitively.

        A token is made of lower-case letters and digits.
        """
        return token in self._texts

    @cached_property
    def _texts(self) -> str:
        """The name and the property values, in lower case: hundreds of tokens are looked for in each row."""
        # Values of other types, or in another case, are judged by the checks.
        return "\n".join(text.lower() for text in (self.name, *self.meta_values) if isinstance(text, str))

    def columns(self) -> dict[str, Any]:
        """Return the row as JSON-like data; an amount remains a Decimal."""
        row = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()}


class Readback(Protocol):
    """Source of stored rows; ``name`` describes it in messages."""

    name: str

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows whose name or property values contain ``run``. Raises TargetUnavailable."""
        ...


def parse_lines(text: str, source: str) -> list[StoredRow]:
    """Parse JSON lines, one stored row each; blank lines are skipped.

    Raises TargetUnavailable, which names ``source``, line and fault, for any other line.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_row(json.loads(line, parse_float=Decimal, parse_int=Decimal)))
            except _FAULTS as error:
                problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise TargetUnavailable(
                    f"{source}, line {number}, is not a stored row: {problem}. Expected one JSON object per "
                    f"line with {', '.join(COLUMNS)}"
                ) from error
    return rows


def _row(data: Mapping[str, Any]) -> StoredRow:
    amount = data["revenue_source_amount"]
    keys, values = data["meta_keys"], data["meta_values"]
    if not isinstance(keys, list) or not isinstance(values, list):
        raise TypeError("meta_keys and meta_values must be lists")
    return StoredRow(
        type=_unpadded(data["type"]),
        name=data["name"],
        meta_keys=tuple(keys),
        meta_values=tuple(values),
        revenue_source_amount=_amount(amount),
        revenue_source_currency=_unpadded(data["revenue_source_currency"]),
        session_id=_text(data.get("session_id")),
        pageview_id=_text(data.get("pageview_id")),
    )


def _unpadded(value: Any) -> Any:
    """Return a string without trailing NULs, with which ClickHouse pads a FixedString; other values as is."""
    return value.rstrip("\0") if isinstance(value, str) else value


def _amount(value: object) -> Decimal | str | None:
    """Return the amount as Decimal, None if empty (REV-4), or as a string if it is not a number."""
    value = _unpadded(value)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    # A value that is not finite, or that would take a gigabyte to write out, is not an amount.
    return number if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS else str(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
