"""Comparison of events with a plan: the rules PLAN-1 to PLAN-8."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from conformance.protocol.amounts import plain
from conformance.site.events import Event
from conformance.site.names import quoted
from conformance.site.pattern import SECONDS, PatternTooSlow, matches
from conformance.site.plan import BadPlan, Plan, PlannedEvent, PlannedRevenue, Presence, Property, is_of

RULES = {
    "PLAN-1": "Every event that arrives is in the plan.",
    "PLAN-2": "An event has every property that the plan requires.",
    "PLAN-3": "An event has no property that the plan lacks.",
    "PLAN-4": "The value of a property is of its planned type.",
    "PLAN-5": "The value of a property is one of the allowed values, and matches the pattern.",
    "PLAN-6": "An event has revenue as planned: a number, within the bounds, in an allowed currency.",
    "PLAN-7": "A property has no more different values than planned.",
    "PLAN-8": "Every planned event has been seen.",
}
"""The rules by id. PLAN-8 only warns: a capture need not show every event."""
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class PlanFinding:
    """One difference between an event and the plan; ``event`` is its name."""

    rule: str
    event: str
    text: str
    example: Event | None = None


def findings(plan: Plan, events: Sequence[Event]) -> tuple[PlanFinding, ...]:
    """Return every difference between the events and the plan, each text once."""
    found = [finding for event in events for finding in differences(plan, event)]
    found += _cardinality(plan, events)
    return tuple({(f.rule, f.event, f.text): f for f in reversed(found)}.values())[::-1]


def unseen(plan: Plan, events: Iterable[Event]) -> tuple[PlanFinding, ...]:
    """Return a finding for each planned event that did not occur (PLAN-8)."""
    seen = {event.name for event in events}
    return tuple(
        PlanFinding(rule="PLAN-8", event=name, text=f"{quoted(name)} is in the plan and was not seen")
        for name in plan.events
        if name not in seen
    )


def differences(plan: Plan, event: Event) -> Iterator[PlanFinding]:
    """Yield the differences between one event and the plan. Raises BadPlan if a pattern takes too long."""
    planned = plan.events.get(event.name)
    if planned is None:
        near = plan.nearest(event.name)
        hint = f": did you mean {quoted(near)}?" if near else ""
        text = f"{quoted(event.name)} is not in {plan.path}{hint}"
        yield PlanFinding(rule="PLAN-1", event=event.name, text=text, example=event)
        return
    try:
        texts = [*_properties(planned, event), *_revenue(planned.revenue, event)]
    except PatternTooSlow as error:
        raise BadPlan(f"{plan.path}: events.{event.name}: {error}") from error
    for rule, text in texts:
        yield PlanFinding(rule=rule, event=event.name, text=text, example=event)


def _properties(planned: PlannedEvent, event: Event) -> Iterator[tuple[str, str]]:
    for key, prop in planned.properties.items():
        if key not in event.properties:
            if prop.required:
                yield "PLAN-2", f"property {key!r} is missing"
            continue
        yield from _value(prop, event.properties[key])
    if not planned.other_properties:
        for key in event.properties:
            if key not in planned.properties:
                yield "PLAN-3", f"property {key!r} is not planned"


def _value(prop: Property, value: str) -> Iterator[tuple[str, str]]:
    shown = repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    if not is_of(prop.type, value):
        yield "PLAN-4", f"property {prop.name!r} is {shown}, not {prop.type}"
    elif prop.values and value not in prop.values:
        yield "PLAN-5", f"property {prop.name!r} is {shown}, not one of {', '.join(prop.values)}"
    elif prop.pattern and not _matches(prop, value):
        yield "PLAN-5", f"property {prop.name!r} is {shown}, which does not match {prop.pattern}"


def _matches(prop: Property, value: str) -> bool:
    try:
        return matches(prop.pattern, value)
    except PatternTooSlow as error:
        raise PatternTooSlow(
            f"property {prop.name!r}: {prop.pattern} takes more than {SECONDS:g} s "
            f"for a value of {len(value):,} characters: do not repeat what is repeated, as in (a+)+"
        ) from error


def _revenue(planned: PlannedRevenue, event: Event) -> Iterator[tuple[str, str]]:
    if event.amount is None:
        if planned.presence is Presence.REQUIRED:
            yield "PLAN-6", "revenue is missing (a tracker drops an amount that is not a number)"
        return
    if planned.presence is Presence.NEVER:
        yield "PLAN-6", "revenue is not planned"
        return
    if event.revenue is None:
        yield "PLAN-6", f"the amount is {event.amount!r}, not a number"
        return
    amount, currency = event.revenue
    if planned.currencies and currency not in planned.currencies:
        yield "PLAN-6", f"the currency is {currency}, not {' or '.join(planned.currencies)}"
    if planned.least is not None and amount < planned.least:
        yield "PLAN-6", f"the amount {plain(amount)} is less than {plain(planned.least)}"
    if planned.most is not None and amount > planned.most:
        yield "PLAN-6", f"the amount {plain(amount)} is more than {plain(planned.most)}"


def _cardinality(plan: Plan, events: Iterable[Event]) -> Iterator[PlanFinding]:
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in events:
        for key, value in event.properties.items():
            values[event.name, key].add(value)
    for (name, key), different in values.items():
        prop = plan.events[name].properties.get(key) if name in plan.events else None
        if prop and prop.most is not None and len(different) > prop.most:
            text = f"property {key!r} has {len(different)} different values, and {prop.most} are planned"
            yield PlanFinding(rule="PLAN-7", event=name, text=text)
