"""Differences between two plans, or between a plan and what was seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from conformance.site.lint import alike
from conformance.site.plan import Plan, PlannedEvent, PlannedRevenue, Presence, Property, Type

_SAME_PROPERTIES = 0.5
# The types of values that a type accepts.
_WITHIN = {
    Type.TEXT: frozenset(Type),
    Type.NUMBER: frozenset({Type.NUMBER, Type.INTEGER}),
    Type.INTEGER: frozenset({Type.INTEGER}),
    Type.BOOLEAN: frozenset({Type.BOOLEAN}),
}


@dataclass(frozen=True, kw_only=True)
class PlanChange:
    """One difference; ``kind`` is new, gone, renamed, changed or alike, ``event`` its name before."""

    kind: str
    event: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<8}{self.event}{': ' if self.text else ''}{self.text}"


def changes(before: Plan, after: Plan, *, seen: bool = False) -> tuple[PlanChange, ...]:
    """Return the differences from ``before`` to ``after``.

    ``seen``: ``after`` is a draft from events. What such events may be by the plan is no difference then.
    A name that is gone and a new one that resembles it, with properties in common, are one that was renamed.
    """
    gone = [name for name in before.events if name not in after.events]
    new = [name for name in after.events if name not in before.events]
    renamed = dict(_renamed(before, after, gone, new))
    found = [PlanChange(kind="renamed", event=old, text=f"now {name}") for old, name in renamed.items()]
    found += [PlanChange(kind="gone", event=name, text="") for name in gone if name not in renamed]
    found += [PlanChange(kind="new", event=name, text="") for name in new if name not in renamed.values()]
    pairs = {**{name: name for name in before.events if name in after.events}, **renamed}
    for old, name in pairs.items():
        texts = _changed(before.events[old], after.events[name], seen=seen)
        found += [PlanChange(kind="changed", event=old, text=text) for text in texts]
    names = sorted({*before.events, *after.events} - {*renamed})
    found += [PlanChange(kind="alike", event=each.event, text=each.text) for each in alike(names)]
    return tuple(found)


def _renamed(before: Plan, after: Plan, gone: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    left = list(new)
    for name in gone:
        candidates = Plan(events={each: after.events[each] for each in left})
        near = candidates.nearest(name)
        near = near or next((n for n in left if _same_shape(before.events[name], after.events[n])), "")
        if near:
            left.remove(near)
            yield name, near


def _same_shape(one: PlannedEvent, other: PlannedEvent) -> bool:
    """Return True if two events have most of their properties, at least two, in common."""
    keys, others = set(one.properties), set(other.properties)
    common = keys & others
    return len(common) > 1 and len(common) > _SAME_PROPERTIES * len(keys | others)


def _changed(old: PlannedEvent, new: PlannedEvent, *, seen: bool) -> Iterator[str]:
    for key, prop in old.properties.items():
        if key in new.properties:
            changed = _seen_otherwise if seen else _changed_property
            yield from changed(prop, new.properties[key])
        elif prop.required or not seen:
            yield f"property {key!r} is gone"
    for key in new.properties:
        if key not in old.properties and not (seen and old.other_properties):
            yield f"property {key!r} is new"
    if not seen and old.other_properties != new.other_properties:
        yield f"other properties are {'accepted' if new.other_properties else 'refused'} now"
    yield from _changed_revenue(old.revenue, new.revenue, seen=seen)


def _changed_property(old: Property, new: Property) -> Iterator[str]:
    if old.type is not new.type:
        yield f"property {old.name!r} was {old.type} and is {new.type}"
    if old.required != new.required:
        yield f"property {old.name!r} is {'required' if new.required else 'optional'} now"
    if old.values and new.values:
        for value in new.values:
            if value not in old.values:
                yield f"property {old.name!r} has a new value, {value!r}"
        for value in old.values:
            if value not in new.values:
                yield f"property {old.name!r} no longer has the value {value!r}"
    elif old.values != new.values:
        yield f"property {old.name!r} may have {'listed values only' if new.values else 'any value'} now"
    if old.pattern != new.pattern:
        patterns = (each.pattern or "(none)" for each in (old, new))
        yield f"property {old.name!r} had another pattern: {' became '.join(patterns)}"
    if old.most != new.most:
        yield f"property {old.name!r} had at most {_bound(old.most)} values, now {_bound(new.most)}"


def _seen_otherwise(planned: Property, found: Property) -> Iterator[str]:
    """Yield how a property that was seen differs from the plan; a narrower use of it does not."""
    if found.type not in _WITHIN[planned.type]:
        yield f"property {planned.name!r} was {planned.type} and is {found.type}"
    if planned.required and not found.required:
        yield f"property {planned.name!r} is optional now"
    for value in found.values if planned.values else ():
        if value not in planned.values:
            yield f"property {planned.name!r} has a new value, {value!r}"


def _changed_revenue(old: PlannedRevenue, new: PlannedRevenue, *, seen: bool) -> Iterator[str]:
    may_be_so = seen and old.presence is Presence.OPTIONAL
    if old.presence is not new.presence and not may_be_so:
        yield f"revenue was {_words(old.presence)} and is {_words(new.presence)}"
    if old.currencies and new.currencies:
        yield from (f"currency {each} is new" for each in new.currencies if each not in old.currencies)
        gone = (each for each in old.currencies if each not in new.currencies and not seen)
        yield from (f"currency {each} is gone" for each in gone)
    elif not seen and old.presence is new.presence and old.currencies != new.currencies:
        yield f"revenue may have {'listed currencies only' if new.currencies else 'any currency'} now"
    if not seen and (old.least, old.most) != (new.least, new.most):
        yield f"the amount was {_bounds(old)} and is {_bounds(new)}"


def _words(presence: Presence) -> str:
    return "absent" if presence is Presence.NEVER else str(presence)


def _bounds(revenue: PlannedRevenue) -> str:
    return f"{_bound(revenue.least)} to {_bound(revenue.most)}"


def _bound(bound: Decimal | int | None) -> str:
    return "any" if bound is None else str(bound)
