"""Calls of ``clickport.track``: stored as JSON, written as JavaScript, with the result expected of each."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from conformance.paths import bundled
from conformance.search import model, oddities
from conformance.search.model import Entry
from conformance.search.oddities import Odd

_RUN = re.compile(r"(.)\1{19,}", re.DOTALL)
_THROWING = frozenset(json.loads(bundled("fixtures/values.json").read_text(encoding="utf-8"))["throwing"])
_NOTHING = ("undefined", "null")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@dataclass(frozen=True, kw_only=True)
class Value:
    """A JavaScript value; ``of`` is its text, number, flag or expression.

    ``kind`` is string, number, boolean, other (becomes some string, PROP-5), odd (becomes some string or is
    left out), or getter (throws when it is read).
    """

    kind: str
    of: Any = None

    @property
    def source(self) -> str:
        """The value as a JavaScript expression."""
        match self.kind:
            case "string":
                return text_source(self.of)
            case "number":
                return number_source(self.of)
            case "boolean":
                return "true" if self.of else "false"
        return str(self.of)

    @property
    def throws(self) -> bool:
        """True if reading or converting the value throws."""
        return self.kind == "getter" or self.of in _THROWING


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of ``clickport.track``. ``{token}`` in the name is a placeholder.

    ``properties`` and ``revenue`` are tuples of pairs, or expressions that are not plain objects. A revenue
    has the members ``amount`` and ``currency``; None stands for a call without the argument.
    """

    name: str
    properties: tuple[tuple[str, Value], ...] | str
    revenue: tuple[tuple[str, Value], ...] | str | None = None

    def source(self, token: str) -> str:
        """Return the call as JavaScript."""
        arguments = [text_source(self.name.replace("{token}", token))]
        if self.properties or self.revenue is not None:
            arguments.append(_object_source(self.properties) if self.properties else "null")
        if self.revenue is not None:
            arguments.append(_object_source(self.revenue))
        return f"clickport.track({', '.join(arguments)})"

    def to_json(self) -> dict[str, Any]:
        """Return the call as JSON data."""
        return {
            "name": self.name,
            "properties": _members_to_json(self.properties),
            "revenue": None if self.revenue is None else _members_to_json(self.revenue),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the call that ``to_json`` wrote."""
        revenue = data["revenue"]
        return cls(
            name=data["name"],
            properties=_members_from_json(data["properties"]),
            revenue=None if revenue is None else _members_from_json(revenue),
        )

    @property
    def identity(self) -> str:
        """A text that is equal only for equal calls."""
        return json.dumps(self.to_json())

    @property
    def entries(self) -> list[Entry] | None:
        """The properties as they must arrive, in order; None if that is open."""
        if isinstance(self.properties, str):
            return None
        # A duplicate key keeps its first place and takes the last value.
        values = dict(distinct(self.properties))
        return _unlike([_entry(key, values[key]) for key in model.enumerated(values)])

    @property
    def throws(self) -> bool:
        """True if an argument has a getter, conversion or proxy trap that throws: then all is SHOULD."""
        return any(
            members in _THROWING if isinstance(members, str) else any(value.throws for _, value in members)
            for members in (self.properties, self.revenue or ())
        )

    @property
    def oddities(self) -> frozenset[Odd]:
        """The parts of the call that no MUST is about."""
        found = oddities.of_texts([self.name]) | ({Odd.THROWS} if self.throws else set())
        if isinstance(self.properties, str):
            found |= set() if self.properties in _NOTHING else {Odd.ARGUMENT}
        else:
            found |= oddities.of_keys(key for key, _ in self.properties)
            found |= oddities.of_texts(value.of for _, value in self.properties if value.kind == "string")
        if self.revenue is None or self.revenue in _NOTHING:
            return frozenset(found)
        found |= oddities.of_amount(self.amount)
        if isinstance(self.revenue, tuple) and self.currency is None:
            found |= {Odd.CURRENCY}
        return frozenset(found)

    @property
    def amount(self) -> Decimal | None:
        """The amount as JavaScript prints it, if it is a finite number; else None."""
        value = self._money("amount")
        if value is None or value.kind != "number" or not math.isfinite(value.of):
            return None
        return Decimal(model.number_text(value.of))

    @property
    def amount_is_open(self) -> bool:
        """True if the sending of an amount is open: numeric texts, big integers, a bare number."""
        if isinstance(self.revenue, str):
            return True
        value = self._money("amount")
        if value is None:
            return False
        return value.kind == "odd" or (value.kind == "string" and any(c.isdecimal() for c in value.of))

    @property
    def currency(self) -> str | None:
        """The code that must be sent: the one given, or USD without one; None if it is open."""
        value = self._money("currency")
        if value is None or value.source == "undefined":
            return "USD" if isinstance(self.revenue, tuple) else None
        return value.of if value.kind == "string" and model.is_code(value.of) else None

    def _money(self, name: str) -> Value | None:
        return dict(self.revenue).get(name) if isinstance(self.revenue, tuple) else None


def distinct(members: Sequence[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
    """Return the members of an object literal as JavaScript has them: of duplicate keys the last value."""
    last = {model.joined(key): value for key, value in members}
    return tuple(last.items())


def text_source(text: str) -> str:
    """Return a text as a JavaScript expression that writes long runs of a character by repeat()."""
    parts, end = [], 0
    for run in _RUN.finditer(text):
        parts += [_quoted(text[end : run.start()])] if run.start() > end else []
        parts.append(f"{_quoted(run[1])}.repeat({len(run[0])})")
        end = run.end()
    parts += [_quoted(text[end:])] if end < len(text) or not parts else []
    return " + ".join(parts)


def number_source(number: float) -> str:
    """Return a number as a JavaScript expression."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return "-0" if number == 0 and math.copysign(1, number) < 0 else model.number_text(number)


def _quoted(text: str) -> str:
    """Return a JavaScript literal, with unprintable characters as escapes."""
    return "'" + "".join(_escaped(character) for character in text) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _object_source(members: Sequence[tuple[str, Value]] | str) -> str:
    if isinstance(members, str):
        return members
    return "{ " + ", ".join(_member_source(key, value) for key, value in members) + " }" if members else "{}"


def _member_source(key: str, value: Value) -> str:
    # As a computed key, __proto__ is a key like any other.
    name = key if _IDENTIFIER.fullmatch(key) and key != "__proto__" else f"[{text_source(key)}]"
    if value.kind == "getter":
        return f"get {name}() {{ throw new Error('no') }}"
    return f"{name}: {value.source}"


def _entry(key: str, value: Value) -> Entry:
    match value.kind:
        case "string":
            return model.text_entry(key, value.of)
        case "number" if math.isfinite(value.of):
            return model.simple_entry(key, model.number_text(value.of))
        case "boolean":
            return model.simple_entry(key, value.source)
    return model.other_entry(key, optional=value.kind in ("odd", "getter"))


def _unlike(entries: list[Entry]) -> list[Entry]:
    """Return the entries, with those optional whose keys are equal once repaired."""
    keys = [entry.key for entry in entries]
    alike = {key for key in keys if keys.count(key) > 1}
    return [
        Entry(
            key=e.key, kind=e.kind, texts=e.texts, optional=e.optional or e.key in alike, bent_key=e.bent_key
        )
        for e in entries
    ]


def _members_to_json(members: Sequence[tuple[str, Value]] | str) -> Any:
    if isinstance(members, str):
        return members
    # Numbers as text, because JSON has neither NaN nor a distinct -0.
    kept = [(key, v.kind, repr(v.of) if v.kind == "number" else v.of) for key, v in members]
    return [list(row) for row in kept]


def _members_from_json(members: Any) -> tuple[tuple[str, Value], ...] | str:
    if isinstance(members, str):
        return members
    return tuple((k, Value(kind=kind, of=float(of) if kind == "number" else of)) for k, kind, of in members)
