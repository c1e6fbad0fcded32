"""Events of a site, however they were captured: from payloads, stored rows or JSON lines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from conformance.protocol.amounts import plain
from conformance.protocol.matching import is_number
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.readback.rows import StoredRow

CUSTOM = "e"
"""The value of ``t`` in the payload of a custom event."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a site.

    ``amount`` is a Decimal, or the text or other value that was sent in its place. ``page`` is the URL of the
    page, or empty if it is not known. ``seconds`` is the time of arrival since the epoch, 0 if unknown.
    ``remarks`` are the effects of the protocol's limits and other oddities of the payload, as text.
    """

    name: str
    properties: Mapping[str, str] = field(default_factory=dict)
    amount: Any = None
    currency: str | None = None
    page: str = ""
    seconds: float = 0.0
    remarks: tuple[str, ...] = ()

    @property
    def revenue(self) -> tuple[Decimal, str] | None:
        """The amount and the currency, or None without an amount that is a number."""
        return (self.amount, self.currency or "USD") if isinstance(self.amount, Decimal) else None

    def __str__(self) -> str:
        """Return the event as the call that makes it: ``Purchase {"plan": "pro"} 49.99 EUR``."""
        parts = [self.name]
        if self.properties:
            parts.append(json.dumps(dict(self.properties), ensure_ascii=False))
        if self.amount is not None:
            amount = plain(self.amount) if isinstance(self.amount, Decimal) else repr(self.amount)
            parts.append(f"{amount} {self.currency or 'USD'}")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the event as a line of an event file (``kind`` is ``event``); amounts are exact text."""
        amount = plain(self.amount) if isinstance(self.amount, Decimal) else self.amount
        return {
            "kind": "event",
            "name": self.name,
            "properties": dict(self.properties),
            "amount": amount,
            "amount_is_number": isinstance(self.amount, Decimal),
            "currency": self.currency,
            "page": self.page,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Self:
        """Return the event of a line. Raises KeyError, TypeError or ValueError."""
        amount = line["amount"]
        if line["amount_is_number"]:
            amount = Decimal(amount)
        return cls(
            name=_text(line["name"]),
            properties={_text(k): _text(v) for k, v in line["properties"].items()},
            amount=amount,
            currency=line["currency"],
            page=_text(line["page"]),
            seconds=float(line["seconds"]),
        )

    @classmethod
    def from_row(cls, row: StoredRow) -> Self:
        """Return the event that a stored row holds."""
        pairs = zip(row.meta_keys, row.meta_values, strict=False)
        return cls(
            name=str(row.name),
            properties={str(key): str(value) for key, value in pairs},
            amount=row.revenue_source_amount,
            currency=row.revenue_source_currency or None,
        )


def read_event(body: bytes, *, seconds: float = 0.0, page: str = "") -> Event | None:
    """Return the custom event in a request body, or None if it is another kind of request.

    Members of a wrong type become text, and ``remarks`` says so: the audit names the requirement. Raises
    Violation if the body is not the protocol's JSON object, or has no name.
    """
    payload = read_payload(body)
    if payload.get("t") != CUSTOM:
        return None
    name = payload.get("n")
    if not isinstance(name, str) or not name:
        raise Violation(f"the event has no name: n is {json.dumps(name, default=str)}")
    keys, values = _list(payload.get("mk")), _list(payload.get("mv"))
    return Event(
        name=name,
        properties={_text(k): _text(v) for k, v in zip(keys, values, strict=False)},
        amount=payload.get("ra"),
        currency=_text(payload["rc"]) if payload.get("rc") is not None else None,
        page=page or (payload["u"] if isinstance(payload.get("u"), str) else ""),
        seconds=seconds,
        remarks=tuple(limit_remarks(payload)),
    )


def limit_remarks(payload: Mapping[str, Any]) -> Iterable[str]:
    """Yield the effects of limits and conversions that a payload shows (LINT-4, LINT-5)."""
    keys, values = _list(payload.get("mk")), _list(payload.get("mv"))
    if len(keys) > 30:
        yield f"{len(keys)} properties: a server keeps the first 30 (PROP-2)"
    elif len(keys) == 30:
        yield "30 properties, the most that an event may have: further ones would be dropped (LINT-5)"
    for key, value in zip(keys, values, strict=False):
        if isinstance(value, str) and (length := _units(value)) >= 2000:
            more = "a server keeps the first 2,000" if length > 2000 else "it was probably cut"
            yield f"{_text(key)} has {length:,} characters: {more} (LINT-5)"
    if "ra" in payload and not is_number(payload["ra"]):
        yield f"the amount is {json.dumps(payload['ra'], default=str)}, not a number: no revenue (LINT-4)"


def amount_of(text: str) -> Decimal | None:
    """Return the finite number that a text is, or None."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _units(text: str) -> int:
    """Return the length of a text in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return plain(value) if isinstance(value, Decimal) else json.dumps(value, default=str)
