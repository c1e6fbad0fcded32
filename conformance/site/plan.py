"""The tracking plan: the events that a site means to send, read from ``tracking-plan.toml``."""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from conformance.site.names import folded
from conformance.site.pattern import SECONDS, PatternTooSlow, matches

PLAN = "tracking-plan.toml"
"""The file name that is looked for if none is given."""
MOST_PROPERTIES = 30
LONGEST_VALUE = 2000
C = TypeVar("C", bound=StrEnum)
# As JavaScript writes numbers, and with needless zeros at the end. A leading zero is that of a code: "01234".
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class BadPlan(ValueError):
    """A plan that cannot be read; the message names the file, the place in it, and the way out."""


class Type(StrEnum):
    """The type of a property's values in the code; on the wire each is text (PROP-4)."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"


class Presence(StrEnum):
    """Tells if an event has revenue."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Property:
    """A planned property. ``most`` is the number of different values that a check accepts, or None."""

    name: str
    required: bool = True
    type: Type = Type.TEXT
    values: tuple[str, ...] = ()
    pattern: str = ""
    most: int | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class PlannedRevenue:
    """The planned revenue of an event; empty ``currencies`` accept any, None bounds are open."""

    presence: Presence = Presence.NEVER
    currencies: tuple[str, ...] = ()
    least: Decimal | None = None
    most: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedEvent:
    """A planned event. ``other_properties``: properties that are not listed are accepted, too."""

    name: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    revenue: PlannedRevenue = field(default_factory=PlannedRevenue)
    other_properties: bool = False
    owner: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The events of a plan by name, in the order of the file."""

    events: Mapping[str, PlannedEvent]
    path: str = PLAN

    def nearest(self, name: str) -> str:
        """Return the planned name that resembles ``name`` most, or "" if none does."""
        names = {folded(known): known for known in self.events}
        near = difflib.get_close_matches(folded(name), names, n=1, cutoff=0.7)
        return names[near[0]] if near else ""


def is_of(type_: Type, value: str) -> bool:
    """Return True if a text is what a value of this type becomes on the wire (PROP-4)."""
    if type_ is Type.BOOLEAN:
        return value in ("true", "false")
    if type_ is Type.TEXT:
        return True
    if not _NUMBER.fullmatch(value):
        return False
    number = Decimal(value)
    return type_ is Type.NUMBER or number == number.to_integral_value()


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises BadPlan."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except FileNotFoundError as error:
        raise BadPlan(f"there is no plan {path}: write one with `clickport plan write`") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPlan(f"{path} is not a plan: {error}") from error
    reader = _Reader(str(path))
    reader.members(data, "", {"events"})
    events = reader.table(data, "events", "")
    return Plan(events={name: reader.event(name, events) for name in events}, path=str(path))


class _Reader:
    """Conversion of TOML to a plan; each failure names the key, such as ``events.Signup.owner``."""

    def __init__(self, path: str) -> None:
        self._path = path

    def members(self, data: Mapping[str, Any], place: str, known: Collection[str]) -> None:
        """Raise BadPlan if a table has an unknown key."""
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
                if place and isinstance(data[key], dict):
                    hint += f'; a name with a dot is quoted: "{place.rpartition(".")[2]}.{key}"'
                raise self._bad(place, f"unknown key {key!r}: {hint}")

    def table(self, data: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
        """Return a table, empty if it is missing. Raises BadPlan."""
        value: Mapping[str, Any] = self._typed(data, key, place, dict, "a table", {})
        return value

    def event(self, name: str, events: Mapping[str, Any]) -> PlannedEvent:
        """Return a planned event. Raises BadPlan."""
        if not name:
            raise self._bad("events", "an event has a name, and one here is empty (API-6)")
        place = f"events.{name}"
        data = self.table(events, name, "events")
        self.members(data, place, {"description", "owner", "properties", "other_properties", "revenue"})
        listed = self.table(data, "properties", place)
        if len(listed) > MOST_PROPERTIES:
            message = f"{len(listed)} properties, but an event has at most 30 (PROP-2)"
            raise self._bad(place, message)
        return PlannedEvent(
            name=name,
            properties={key: self._property(key, listed, f"{place}.properties") for key in listed},
            revenue=self._revenue(data, place),
            other_properties=self._typed(data, "other_properties", place, bool, "true or false", False),
            owner=self._text(data, "owner", place),
            description=self._text(data, "description", place),
        )

    def _property(self, name: str, listed: Mapping[str, Any], above: str) -> Property:
        place = f"{above}.{name}"
        data = self.table(listed, name, above)
        self.members(data, place, {"required", "type", "values", "pattern", "most", "description"})
        most = self._typed(data, "most", place, int, "a whole number", None)
        if most is not None and most < 1:
            raise self._bad(place, f"most must be 1 or more (got {most})")
        planned = Property(
            name=name,
            required=self._typed(data, "required", place, bool, "true or false", True),
            type=self._choice(Type, data, "type", place, Type.TEXT),
            values=self._texts(data, "values", place),
            pattern=self._pattern(data, place),
            most=most,
            description=self._text(data, "description", place),
        )
        for value in planned.values:
            if problem := _contradiction(planned, value):
                raise self._bad(place, f"the value {value[:40]!r} can never be accepted: {problem}")
        return planned

    def _revenue(self, data: Mapping[str, Any], above: str) -> PlannedRevenue:
        if isinstance(data.get("revenue"), str):  # The short form: revenue = "required".
            return PlannedRevenue(presence=self._choice(Presence, data, "revenue", above, Presence.NEVER))
        table = self.table(data, "revenue", above)
        place = f"{above}.revenue"
        self.members(table, place, {"presence", "currencies", "least", "most"})
        default = Presence.REQUIRED if table else Presence.NEVER
        planned = PlannedRevenue(
            presence=self._choice(Presence, table, "presence", place, default),
            currencies=self._texts(table, "currencies", place),
            least=self._number(table, "least", place),
            most=self._number(table, "most", place),
        )
        if planned.least is not None and planned.most is not None and planned.least > planned.most:
            raise self._bad(place, f"least is {planned.least} and most {planned.most}: no amount is both")
        if planned.presence is Presence.NEVER and planned != PlannedRevenue():
            raise self._bad(place, 'an event without revenue (presence = "never") has no currency or bounds')
        return planned

    def _pattern(self, data: Mapping[str, Any], place: str) -> str:
        pattern = self._text(data, "pattern", place)
        try:
            re.compile(pattern)
        except re.error as error:
            raise self._bad(place, f"pattern {pattern!r} is not a regular expression: {error}") from error
        return pattern

    def _choice(self, kind: type[C], data: Mapping[str, Any], key: str, place: str, default: C) -> C:
        text = self._typed(data, key, place, str, "text", default)
        try:
            return kind(text)
        except ValueError as error:
            raise self._bad(place, f"{key} must be one of {', '.join(kind)} (got {text!r})") from error

    def _text(self, data: Mapping[str, Any], key: str, place: str) -> str:
        text: str = self._typed(data, key, place, str, "text", "")
        return text

    def _texts(self, data: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
        values = self._typed(data, key, place, list, "a list of texts", [])
        if not all(isinstance(value, str) for value in values):
            raise self._bad(place, f"{key} must be a list of texts, as they are sent (got {values!r})")
        return tuple(values)

    def _number(self, data: Mapping[str, Any], key: str, place: str) -> Decimal | None:
        value = self._typed(data, key, place, (int, Decimal), "a number", None)
        number = None if value is None else Decimal(value)
        if number is not None and not number.is_finite():
            raise self._bad(place, f"{key} must be a number (got {number}); leave it out for no bound")
        return number

    def _typed(  # noqa: PLR0917
        self, data: Mapping[str, Any], key: str, place: str, kind: Any, words: str, default: Any
    ) -> Any:
        value = data.get(key, default)
        if value is default:
            return value
        # A boolean is an int to Python, not to people.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._bad(place, f"{key} must be {words} (got {value!r})")
        return value

    def _bad(self, place: str, message: str) -> BadPlan:
        return BadPlan(f"{self._path}: {place + ': ' if place else ''}{message}")


def _contradiction(planned: Property, value: str) -> str:
    """Return the rule of a property that an allowed value of it breaks, or ""."""
    if not is_of(planned.type, value):
        return f"it is not {planned.type}"
    if len(value) > LONGEST_VALUE:
        return f"a tracker cuts it to {LONGEST_VALUE:,} characters (PROP-3)"
    try:
        fits = not planned.pattern or matches(planned.pattern, value)
    except PatternTooSlow:
        return f"the pattern {planned.pattern} takes more than {SECONDS:g} s"
    return "" if fits else f"it does not match the pattern {planned.pattern}"
