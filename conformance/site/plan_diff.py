"""Differences between two plans, or between a plan and what was seen."""

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.site.lint import alike
from conformance.site.plan import Plan, PlannedEvent, Presence, Property

_SAME_PROPERTIES = 0.5


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference; ``kind`` is new, gone, renamed, changed or alike, ``event`` its name before."""

    kind: str
    event: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<8}{self.event}{': ' if self.text else ''}{self.text}"


def changes(before: Plan, after: Plan) -> tuple[Change, ...]:
    """Return the differences from ``before`` to ``after``.

    A name that is gone and a new one that resembles it, with properties in common, are one that was renamed.
    """
    gone = [name for name in before.events if name not in after.events]
    new = [name for name in after.events if name not in before.events]
    renamed = dict(_renamed(before, after, gone, new))
    found = [Change(kind="renamed", event=old, text=f"now {name}") for old, name in renamed.items()]
    found += [Change(kind="gone", event=name, text="") for name in gone if name not in renamed]
    found += [Change(kind="new", event=name, text="") for name in new if name not in renamed.values()]
    pairs = {**{name: name for name in before.events if name in after.events}, **renamed}
    for old, name in pairs.items():
        texts = _changed(before.events[old], after.events[name])
        found += [Change(kind="changed", event=old, text=text) for text in texts]
    names = sorted({*before.events, *after.events} - {*renamed})
    found += [Change(kind="alike", event=each.event, text=each.text) for each in alike(names)]
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


def _changed(old: PlannedEvent, new: PlannedEvent) -> Iterator[str]:
    for key in old.properties:
        if key not in new.properties:
            yield f"property {key!r} is gone"
        else:
            yield from _changed_property(old.properties[key], new.properties[key])
    for key in new.properties:
        if key not in old.properties:
            yield f"property {key!r} is new"
    yield from _changed_revenue(old, new)


def _changed_property(old: Property, new: Property) -> Iterator[str]:
    if old.type is not new.type:
        yield f"property {old.name!r} was {old.type} and is {new.type}"
    if old.required != new.required:
        yield f"property {old.name!r} is {'required' if new.required else 'optional'} now"
    if old.values and new.values:
        for value in new.values:
            if value not in old.values:
                yield f"property {old.name!r} has a new value, {value!r}"


def _changed_revenue(old: PlannedEvent, new: PlannedEvent) -> Iterator[str]:
    if old.revenue.presence is not new.revenue.presence:
        yield f"revenue was {_words(old.revenue.presence)} and is {_words(new.revenue.presence)}"
    if old.revenue.currencies and new.revenue.currencies:
        for currency in new.revenue.currencies:
            if currency not in old.revenue.currencies:
                yield f"currency {currency} is new"


def _words(presence: Presence) -> str:
    return "absent" if presence is Presence.NEVER else str(presence)
