"""Observation of one example: at the call, on the wire and in the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from conformance.drivers.requests import Reply
from conformance.protocol.outcomes import Violation
from conformance.protocol.payload import read_payload
from conformance.readback import StoredRow
from conformance.recorder import Exchange
from conformance.search.bodies import Body
from conformance.search.calls import Call

Pairs = Sequence[tuple[Any, Any]]
Example = Call | Body


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An example and its results; those that its lane does not observe are left at None.

    ``again`` is the row stored when the first row was sent again as an event; ``neighbour`` counts the rows
    of the plain event that was sent after the example.
    """

    example: Example
    token: str
    thrown: str | None = None
    next_works: bool = True
    arrived: Sequence[Exchange] | None = None
    reply: Reply | None = None
    rows: Sequence[StoredRow] | None = None
    again: StoredRow | None = None
    neighbour: int | None = None
    raised: Sequence[str] = field(default=())

    @property
    def call(self) -> Call:
        """The example, in a lane with a tracker."""
        assert isinstance(self.example, Call)
        return self.example

    @property
    def body(self) -> Body:
        """The example, in the server lane."""
        assert isinstance(self.example, Body)
        return self.example

    @cached_property
    def payload(self) -> Mapping[str, Any] | None:
        """The payload of the first request; None without a request or a valid payload."""
        try:
            return read_payload(self.arrived[0].body) if self.arrived else None
        except Violation:
            return None

    @property
    def sent_pairs(self) -> Pairs | None:
        """The properties on the wire; None if ``mk`` and ``mv`` are not lists of equal length (WIRE-3)."""
        if self.payload is None:
            return None
        keys, values = self.payload.get("mk", []), self.payload.get("mv", [])
        if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
            return None
        return list(zip(keys, values, strict=True))

    @property
    def stored_pairs(self) -> Pairs | None:
        """The properties of the stored row; None unless there is exactly one row."""
        if (
            not self.rows
            or len(self.rows) != 1
            or len(self.rows[0].meta_keys) != len(self.rows[0].meta_values)
        ):
            return None
        return list(zip(self.rows[0].meta_keys, self.rows[0].meta_values, strict=True))

    @property
    def stored_amount(self) -> Decimal | str | None:
        """The amount of the first stored row."""
        assert self.rows
        return self.rows[0].revenue_source_amount

    def sent(self) -> Any:
        """Return the call or the request as evidence."""
        if isinstance(self.example, Call):
            return self.example.source(self.token)
        return self.example.filled(self.token).decode("utf-8", "backslashreplace")

    def received(self) -> Any:
        """Return the answer, or the requests that arrived, as evidence."""
        if self.reply is not None:
            return {"answer": str(self.reply)}
        return [exchange.summary() for exchange in self.arrived or ()]

    def stored(self) -> Any:
        """Return the rows as evidence."""
        return None if self.rows is None else [row.columns() for row in self.rows]

    @property
    def size(self) -> tuple[int, str]:
        """Sort key of the example: the smallest explains a fault best."""
        return size_of(self.example)


def size_of(example: Example) -> tuple[int, str]:
    """Return a sort key for examples: by length, then by text, in which x comes first.

    A blank key counts as two letters: its survival is open (PROP-8), so it makes poor evidence.
    """
    kept: dict[str, Any] = {n: member for n, member in example.to_json().items() if member not in (None, [])}
    if isinstance(example, Call) and isinstance(example.properties, tuple):
        kept["properties"] = [[key or "zz", *value] for key, *value in kept.get("properties", ())]
    text = json.dumps(kept)
    return len(text), text.replace("x", "\0")
