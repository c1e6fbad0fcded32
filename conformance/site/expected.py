"""Expectations on events: matching, and the message of a failure."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conformance.protocol.amounts import plain
from conformance.site.events import Event, amount_of

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """An expected event.

    ``properties`` are compared as the protocol sends them: 3 is "3" and True is "true". A compiled pattern or
    a function of the text is accepted, too. ``revenue`` is an amount, or an amount and a currency. Further
    properties and revenue of an event are ignored, unless ``exactly``. Raises TypeError or ValueError.
    """

    name: str
    properties: Mapping[str, Any]
    revenue: Any = None
    times: int = 1
    exactly: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"the name of an event must be text that is not empty (got {self.name!r})")
        if not isinstance(self.properties, Mapping) or not all(isinstance(k, str) for k in self.properties):
            raise TypeError(f'properties must be a dict such as {{"plan": "pro"}} (got {self.properties!r})')
        if not isinstance(self.times, int) or self.times < 1:
            raise ValueError(
                f"times must be 1 or more (got {self.times!r}): clickport.none({self.name!r}) proves that no "
                "event arrives"
            )
        if self.revenue is not None and not _is_revenue(self.revenue):
            raise TypeError(
                f'revenue must be an amount or a pair such as (49.99, "EUR") (got {self.revenue!r})'
            )

    def differences(self, event: Event) -> list[str]:
        """Return the differences of an event as lines; empty if it matches."""
        found = [] if event.name == self.name else [f"name: expected {self.name!r}, got {event.name!r}"]
        found += self._properties(event)
        found += self._revenue(event)
        return found

    def _properties(self, event: Event) -> Iterator[str]:
        for key, value in self.properties.items():
            if key not in event.properties:
                yield f"property {key!r}: expected {_shown(value)}, and it is missing"
            elif not _equals(value, event.properties[key]):
                yield f"property {key!r}: expected {_shown(value)}, got {event.properties[key]!r}"
        if self.exactly:
            for key in event.properties:
                if key not in self.properties:
                    yield f"property {key!r}: not expected, got {event.properties[key]!r}"

    def _revenue(self, event: Event) -> Iterator[str]:
        if self.revenue is None:
            if self.exactly and event.amount is not None:
                yield f"revenue: not expected, got {_money(event)}"
            return
        amount, currency = self.revenue if isinstance(self.revenue, tuple) else (self.revenue, None)
        same = event.revenue is not None and event.revenue[0] == Decimal(str(amount))
        if not same or (currency is not None and event.revenue and event.revenue[1] != currency):
            yield f"revenue: expected {amount}{f' {currency}' if currency else ''}, got {_money(event)}"

    def __str__(self) -> str:
        """Return the expectation as in the call."""
        parts = [repr(self.name)]
        if self.properties:
            parts.append("{" + ", ".join(f"{k!r}: {_shown(v)}" for k, v in self.properties.items()) + "}")
        parts += [f"revenue={self.revenue!r}"] if self.revenue is not None else []
        parts += [f"times={self.times}"] if self.times != 1 else []
        parts += ["exactly=True"] if self.exactly else []
        return f"expect({', '.join(parts)})"


def _is_revenue(revenue: Any) -> bool:
    amount, currency = revenue if isinstance(revenue, tuple) and len(revenue) == 2 else (revenue, None)
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal | str):
        return False
    return amount_of(str(amount)) is not None and isinstance(currency, str | None)


def as_text(value: Any) -> str:
    """Return a value of a property as it is sent (PROP-4); None is that of a null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _equals(expected: Any, actual: str) -> bool:
    if isinstance(expected, re.Pattern):
        return expected.search(actual) is not None
    if isinstance(expected, Callable):  # type: ignore[arg-type]
        return bool(expected(actual))
    return as_text(expected) == actual


def _shown(value: Any) -> str:
    if isinstance(value, re.Pattern):
        return f"a match of {value.pattern!r}"
    return getattr(value, "__name__", "") if callable(value) else repr(as_text(value))


def _money(event: Event) -> str:
    if event.revenue is None:
        return "none" if event.amount is None else f"{event.amount!r}, not a number"
    return f"{plain(event.revenue[0])} {event.revenue[1]}"


def failure(
    headline: str, expectation: Expectation, events: Sequence[Event], hints: Sequence[str] = ()
) -> str:
    """Return the message of a failure: the nearest event with its differences, all events, and hints."""
    lines = [f"{expectation}: {headline}"]
    others = [event for event in events if expectation.differences(event)]
    if others:
        near = min(others, key=lambda event: _distance(expectation, event))
        lines.append(f"nearest: {near}")
        lines += [f"  {line}" for line in expectation.differences(near)]
    lines += arrived(events)
    return "\n".join([*lines, *hints])


def arrived(events: Sequence[Event]) -> list[str]:
    """Return the events that arrived as lines."""
    if not events:
        return ["no event arrived"]
    more = [f"  … and {len(events) - _SHOWN} more"] if len(events) > _SHOWN else []
    return ["arrived:", *(f"  {event}" for event in events[:_SHOWN]), *more]


def _distance(expectation: Expectation, event: Event) -> tuple[float, int]:
    alike = difflib.SequenceMatcher(None, expectation.name.casefold(), event.name.casefold()).ratio()
    return (-alike, len(expectation.differences(event)))
