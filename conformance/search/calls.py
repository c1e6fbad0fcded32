"""Calls of ``clickport.track``: as values that can be kept as JSON, written as JavaScript, and expected."""

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
    """A JavaScript value: ``kind`` is string, number, boolean, other (some string, PROP-5), odd (or nothing),
    or getter (one that throws); ``of`` is the text, the number, the flag, or the expression."""

    kind: str
    of: Any = None

    @property
    def source(self) -> str:
        """The value as an expression."""
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
        """True if code of the value throws when it is read or converted."""
        return self.kind == "getter" or self.of in _THROWING


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call. ``{token}`` in the name is filled in; ``revenue`` is None where it is left out.

    ``properties`` is a list of pairs, or an expression that is no plain object; so is ``revenue``, whose
    members are ``amount`` and ``currency``.
    """

    name: str
    properties: tuple[tuple[str, Value], ...] | str
    revenue: tuple[tuple[str, Value], ...] | str | None = None

    def source(self, token: str) -> str:
        """The call as JavaScript."""
        arguments = [text_source(self.name.replace("{token}", token))]
        if self.properties or self.revenue is not None:
            arguments.append(_object_source(self.properties) if self.properties else "null")
        if self.revenue is not None:
            arguments.append(_object_source(self.revenue))
        return f"clickport.track({', '.join(arguments)})"

    def to_json(self) -> dict[str, Any]:
        """The call as JSON data, which keeps lone surrogates as escapes."""
        return {
            "name": self.name,
            "properties": _members_to_json(self.properties),
            "revenue": None if self.revenue is None else _members_to_json(self.revenue),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of ``to_json``."""
        revenue = data["revenue"]
        return cls(
            name=data["name"],
            properties=_members_from_json(data["properties"]),
            revenue=None if revenue is None else _members_from_json(revenue),
        )

    @property
    def identity(self) -> str:
        """What tells this call from every other."""
        return json.dumps(self.to_json())

    @property
    def entries(self) -> list[Entry] | None:
        """The properties as they must arrive, in order; None where it is open what they are."""
        if isinstance(self.properties, str):
            return None
        # A key that comes twice keeps its place and takes the later value.
        values = dict(distinct(self.properties))
        return _unlike([_entry(key, values[key]) for key in model.enumerated(values)])

    @property
    def throws(self) -> bool:
        """True if an argument has a getter, a conversion or a proxy trap that throws: all of it is SHOULD."""
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
        """The amount where it is a finite number: the decimal that JavaScript prints."""
        value = self._money("amount")
        if value is None or value.kind != "number" or not math.isfinite(value.of):
            return None
        return Decimal(model.number_text(value.of))

    @property
    def amount_is_open(self) -> bool:
        """Whether it is open if there is an amount at all: numeric texts, big integers, a bare number."""
        if isinstance(self.revenue, str):
            return True
        value = self._money("amount")
        if value is None:
            return False
        return value.kind == "odd" or (value.kind == "string" and any(c.isdecimal() for c in value.of))

    @property
    def currency(self) -> str | None:
        """The code that must be sent: the one given, or USD where none is; None where it is open."""
        value = self._money("currency")
        if value is None or value.source == "undefined":
            return "USD" if isinstance(self.revenue, tuple) else None
        return value.of if value.kind == "string" and model.is_code(value.of) else None

    def _money(self, name: str) -> Value | None:
        return dict(self.revenue).get(name) if isinstance(self.revenue, tuple) else None


def distinct(members: Sequence[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
    """Return what JavaScript makes of an object literal: a key that comes twice has the later value."""
    last = {model.joined(key): value for key, value in members}
    return tuple(last.items())


def text_source(text: str) -> str:
    """A text as a JavaScript expression in which long runs of a character are short."""
    parts, end = [], 0
    for run in _RUN.finditer(text):
        parts += [_quoted(text[end : run.start()])] if run.start() > end else []
        parts.append(f"{_quoted(run[1])}.repeat({len(run[0])})")
        end = run.end()
    parts += [_quoted(text[end:])] if end < len(text) or not parts else []
    return " + ".join(parts)


def number_source(number: float) -> str:
    """A number as a JavaScript expression."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return "-0" if number == 0 and math.copysign(1, number) < 0 else model.number_text(number)


def _quoted(text: str) -> str:
    """A JavaScript literal: printable text as it is, everything else as an escape."""
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
    # In brackets __proto__ is a key like any other.
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
    """Of keys that are alike once repaired, all but one may be left out."""
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
    # Numbers as text: NaN and -0 have no place in JSON.
    kept = [(key, v.kind, repr(v.of) if v.kind == "number" else v.of) for key, v in members]
    return [list(row) for row in kept]


def _members_from_json(members: Any) -> tuple[tuple[str, Value], ...] | str:
    if isinstance(members, str):
        return members
    return tuple((k, Value(kind=kind, of=float(of) if kind == "number" else of)) for k, kind, of in members)
