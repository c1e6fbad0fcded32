"""One stored event, and the JSON lines it is read from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
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
# What a line that is no row comes to; RecursionError by ten thousand brackets.
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, RecursionError)


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    """A row as stored, with the column names of the documentation (STORE-1 to STORE-4).

    ``session_id`` and ``pageview_id`` are None where a readback does not tell them.
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
        """Whether the token is in the row's name or one of its values, whatever its case."""
        # What is no text, or folded, is for a check to find fault with, not for this to stumble over.
        texts = (text for text in (self.name, *self.meta_values) if isinstance(text, str))
        return any(token in text.lower() for text in texts)

    def columns(self) -> dict[str, Any]:
        """The row as plain data to compare and to show."""
        row = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()}


class Readback(Protocol):
    """A way to read back what was stored."""

    name: str

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows whose name or values carry the run's token. Raises TargetUnavailable."""
        ...


def parse_lines(text: str, source: str) -> list[StoredRow]:
    """Read JSON lines, one stored event each. Raises TargetUnavailable naming source, line and fault."""
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_row(json.loads(line, parse_float=Decimal, parse_int=Decimal)))
            except _FAULTS as error:
                problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise TargetUnavailable(
                    f"{source}, line {number}, is no stored event: {problem}. Expected a JSON object a line "
                    f"with {', '.join(COLUMNS)}"
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
    """Return text without the NULs that fill up a FixedString of ClickHouse; an empty one is all NULs."""
    return value.rstrip("\0") if isinstance(value, str) else value


def _amount(value: object) -> Decimal | str | None:
    """Return the amount, None for an empty one (REV-4); text that is no number, for a check to judge."""
    value = _unpadded(value)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    # What is no finite number, or one that takes a gigabyte to write out, is no amount of anything.
    return number if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS else str(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
