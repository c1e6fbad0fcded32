"""A draft of a plan from the events that were seen, and its text as TOML."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from conformance.site.events import Event
from conformance.site.plan import Plan, PlannedEvent, PlannedRevenue, Presence, Property, Type, is_of

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_FEW = 12
_ENOUGH = 3
_LONGEST = 40


def draft(events: Iterable[Event]) -> Plan:
    """Return a plan that the events satisfy: types, required properties, revenue and currencies as seen.

    Values are listed if there are at most 12 short ones, each of which was seen 3 times on average.
    """
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        groups[event.name].append(event)
    return Plan(events={name: _event(name, group) for name, group in sorted(groups.items())})


def _event(name: str, group: Sequence[Event]) -> PlannedEvent:
    keys = dict.fromkeys(key for event in group for key in event.properties)
    return PlannedEvent(
        name=name,
        properties={key: _property(key, group) for key in keys},
        revenue=_revenue(group),
    )


def _property(key: str, group: Sequence[Event]) -> Property:
    values = [event.properties[key] for event in group if key in event.properties]
    types = (Type.BOOLEAN, Type.INTEGER, Type.NUMBER, Type.TEXT)
    type_ = next(t for t in types if all(is_of(t, value) for value in values))
    different = sorted(set(values))
    few = len(different) <= _FEW and len(values) >= _ENOUGH * len(different)
    listed = type_ is Type.TEXT and few and all(len(value) <= _LONGEST for value in different)
    return Property(
        name=key,
        required=len(values) == len(group),
        type=type_,
        values=tuple(different) if listed else (),
    )


def _revenue(group: Sequence[Event]) -> PlannedRevenue:
    amounts = [event.revenue for event in group if event.revenue]
    if not amounts:
        return PlannedRevenue()
    presence = Presence.REQUIRED if len(amounts) == len(group) else Presence.OPTIONAL
    return PlannedRevenue(presence=presence, currencies=tuple(sorted({currency for _, currency in amounts})))


def toml(plan: Plan) -> str:
    """Return the text of a plan."""
    return "\n".join(line for event in plan.events.values() for line in _lines(event))


def _lines(event: PlannedEvent) -> Iterator[str]:
    place = f"events.{_key(event.name)}"
    yield f"[{place}]"
    yield f"description = {_string(event.description)}"
    yield f"owner = {_string(event.owner)}"
    if event.other_properties:
        yield "other_properties = true"
    if event.revenue != PlannedRevenue():
        yield f"revenue = {{ {', '.join(_revenue_members(event.revenue))} }}"
    for prop in event.properties.values():
        yield f"[{place}.properties.{_key(prop.name)}]"
        yield from _property_lines(prop)
    yield ""


def _revenue_members(revenue: PlannedRevenue) -> Iterator[str]:
    yield f'presence = "{revenue.presence}"'
    if revenue.currencies:
        yield f"currencies = {_strings(revenue.currencies)}"
    if revenue.least is not None:
        yield f"least = {revenue.least:f}"
    if revenue.most is not None:
        yield f"most = {revenue.most:f}"


def _property_lines(prop: Property) -> Iterator[str]:
    yield f'type = "{prop.type}"'
    if not prop.required:
        yield "required = false"
    if prop.values:
        yield f"values = {_strings(prop.values)}"
    if prop.pattern:
        yield f"pattern = {_string(prop.pattern)}"
    if prop.most is not None:
        yield f"most = {prop.most}"
    if prop.description:
        yield f"description = {_string(prop.description)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _strings(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_string, texts))}]"


def _string(text: str) -> str:
    """Return a TOML basic string; JSON escapes the same characters, except DEL and surrogates."""
    well_formed = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(well_formed, ensure_ascii=False).replace("\x7f", "\\u007f")
