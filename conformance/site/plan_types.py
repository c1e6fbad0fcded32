"""TypeScript declarations and Markdown of a plan."""

import json
import re
from collections.abc import Iterable, Iterator

from conformance.protocol.amounts import plain
from conformance.site.plan import Plan, PlannedEvent, PlannedRevenue, Presence, Property, Type

_TYPES = {Type.TEXT: "string", Type.NUMBER: "number", Type.INTEGER: "number", Type.BOOLEAN: "boolean"}
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#|])")

_HEAD = """\
// Written by `clickport plan types`; change the tracking plan instead.
// Use it in place of the declarations of your tracker: both declare window.clickport.
"""
_TAIL = """\
export type ClickportEvent = keyof ClickportEvents

export interface Clickport {
  track<Name extends ClickportEvent>(name: Name, ...rest: ClickportEvents[Name]): void
}

declare global {
  interface Window {
    clickport: Clickport
  }
  const clickport: Clickport
}
"""


def declarations(plan: Plan) -> str:
    """Return declarations with which only planned calls of ``track`` compile.

    Each event is a tuple type of the arguments after the name. An event that needs properties or revenue
    cannot be called without them.
    """
    events = "".join(f"{text}\n" for event in plan.events.values() for text in _declared(event))
    return f"{_HEAD}\nexport interface ClickportEvents {{\n{events}}}\n\n{_TAIL}"


def _declared(event: PlannedEvent) -> Iterator[str]:
    if event.description:
        yield f"  /** {_comment(event.description)} */"
    yield f"  {_string(event.name)}: [{', '.join(_arguments(event))}]"


def _arguments(event: PlannedEvent) -> Iterator[str]:
    """Yield the arguments as members of a tuple; one that may be left out has a question mark."""
    needs_properties = any(prop.required for prop in event.properties.values())
    needs_revenue = event.revenue.presence is Presence.REQUIRED
    members = [_member(prop) for prop in event.properties.values()]
    if event.other_properties:
        members.append("[other: string]: unknown")
    properties = f"{{ {'; '.join(members)} }}" if members else "Record<string, never>"
    if not needs_properties:
        properties += " | null"
    optional = "" if needs_properties or needs_revenue else "?"
    yield f"properties{optional}: {properties}"
    if event.revenue.presence is not Presence.NEVER:
        yield f"revenue{'' if needs_revenue else '?'}: {_revenue(event.revenue)}"


def _member(prop: Property) -> str:
    type_ = _TYPES[prop.type]
    if prop.values and prop.type is Type.TEXT:
        type_ = " | ".join(map(_string, prop.values))
    elif prop.values and prop.type in (Type.NUMBER, Type.INTEGER):
        type_ = " | ".join(prop.values)
    name = prop.name if _IDENTIFIER.fullmatch(prop.name) else _string(prop.name)
    return f"{name}{'' if prop.required else '?'}: {type_}"


def _revenue(revenue: PlannedRevenue) -> str:
    # Left out, the currency is USD (REV-2).
    optional = "?" if not revenue.currencies or "USD" in revenue.currencies else ""
    currency = " | ".join(map(_string, revenue.currencies)) or "string"
    type_ = f"{{ amount: number; currency{optional}: {currency} }}"
    return type_ if revenue.presence is Presence.REQUIRED else f"{type_} | null"


def _string(text: str) -> str:
    return json.dumps(text)


def _comment(text: str) -> str:
    return " ".join(text.replace("*/", "* /").split())


def markdown(plan: Plan) -> str:
    """Return the plan as a Markdown page for its readers."""
    parts = ["# Events\n"]
    for event in plan.events.values():
        parts.append(f"## {_escape(event.name)}\n")
        parts += [f"{_escape(text)}\n" for text in (event.description,) if text]
        parts += [f"Owner: {_escape(event.owner)}\n" for _ in (0,) if event.owner]
        parts.append(f"Revenue: {_revenue_words(event.revenue)}\n")
        parts.append(_table(event.properties.values()))
    return "\n".join(parts)


def _table(properties: Iterable[Property]) -> str:
    rows = [
        f"| {_escape(p.name)} | {p.type} | {'yes' if p.required else 'no'} | {_rules(p)} "
        f"| {_escape(p.description)} |"
        for p in properties
    ]
    if not rows:
        return "No properties.\n"
    return "\n".join(["| property | type | required | values | |", "|---|---|---|---|---|", *rows, ""])


def _rules(prop: Property) -> str:
    pattern = f"matches {prop.pattern}" if prop.pattern else ""
    most = f"at most {prop.most} different" if prop.most is not None else ""
    return _escape("; ".join(part for part in (", ".join(prop.values), pattern, most) if part))


def _revenue_words(revenue: PlannedRevenue) -> str:
    if revenue.presence is Presence.NEVER:
        return "none."
    least = f"at least {plain(revenue.least)}" if revenue.least is not None else ""
    most = f"at most {plain(revenue.most)}" if revenue.most is not None else ""
    parts = [str(revenue.presence), ", ".join(revenue.currencies), least, most]
    return f"{', '.join(part for part in parts if part)}."


def _escape(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
