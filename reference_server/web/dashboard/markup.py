"""Template filters: text of visitors as HTML that shows exactly that text, and numbers as text."""

import hashlib
import json
import unicodedata
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

from reference_server.analytics.lookalikes import invisible
from reference_server.analytics.results import EventCount, GoalResult
from reference_server.text import plain
from reference_server.web.arguments import PROPERTY
from reference_server.web.dashboard import formatting

_SHORT = 160
# Signs for the invisible characters that people know.
_SIGNS = {" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"}


def exact(text: str) -> Markup:
    """Return text escaped for an attribute, so that browsers read it back unchanged.

    Otherwise they turn a bare CR into LF.
    """
    return escape(text).replace("\r", Markup("&#13;"))


def visible(text: str, characters: int = 0) -> Markup:
    """Return text of a visitor, isolated from its surroundings (bidirectional text) and folded if long.

    Invisible characters are marked by their names; the marks are drawn by CSS, so that copied text is exact.

    ``characters`` is the length of the whole text if ``text`` is only its beginning.
    """
    if not text.strip():
        return Markup('<span class="quiet">({})</span>').format("empty" if not text else "spaces only")
    if len(text) <= _SHORT:
        return Markup('<bdi class="sent">{}</bdi>').format(marked(text))
    rest = f"… ({characters:,} characters)" if characters > len(text) else ""
    return Markup(
        '<details class="long"><summary><bdi class="sent">{}…</bdi></summary>'
        '<bdi class="sent">{}{}</bdi></details>'
    ).format(marked(text[:_SHORT]), marked(text), rest)


def marked(text: str) -> Markup:
    """Return escaped text in which each invisible character has a mark, such as U+200B."""
    parts, done = [], 0
    for at, char in enumerate(text):
        if not invisible(text, at):
            continue
        parts.append(escape(text[done:at]))
        done = at + 1
        name = unicodedata.name(char, "control character").lower()
        code = _SIGNS.get(char, f"U+{ord(char):04X}")
        mark = Markup('<span class="mark" data-mark="{}" title="U+{:04X} {}">{}</span>')
        parts.append(mark.format(code, ord(char), name, exact(char)))
    return Markup("").join([*parts, escape(text[done:])])


def label(text: str) -> str:
    """Return text shortened for an attribute that is read aloud."""
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def share(count: int, top: int) -> str:
    """Return the length of a bar relative to the longest one."""
    return f"{100 * count / top:.1f}%" if top else "0%"


def key(*parts: Any) -> Markup:
    """Return a key that distinguishes the rows of a list."""
    text = json.dumps(parts)
    return exact(text if len(text) <= _SHORT else digest(parts))


def address(event: EventCount | GoalResult) -> dict[str, str]:
    """Return the query parameters that identify an event: its name, or the id of a long name."""
    if isinstance(event, GoalResult):
        short = len(event.event_name) <= _SHORT
        return {"name": event.event_name} if short else {"id": event.event_id}
    return {"name": event.name} if event.characters <= _SHORT else {"id": event.id}


def of_event(query: dict[str, Any], identified: dict[str, str]) -> dict[str, Any]:
    """Return the query parameters of the page that looks closer at an event, given its ``address``."""
    rest = {name: values for name, values in query.items() if name not in ("event", "event_id")}
    if "id" in identified:
        return {**rest, "event_id": identified["id"]}
    return {**rest, "event": identified["name"]}


def of_value(query: dict[str, Any], key: str, value: str) -> dict[str, Any]:
    """Return the query parameters of the page that looks closer at a value of a property."""
    name = f"{PROPERTY}{key}"
    return {**query, name: list(dict.fromkeys([*query.get(name, ()), value]))}


def digest(value: Any) -> str:
    """Return an id for an element, derived from its content."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


FILTERS: dict[str, Callable[..., Any]] = {
    "address": address,
    "of_event": of_event,
    "of_value": of_value,
    "digest": digest,
    "exact": exact,
    "visible": visible,
    "marked": marked,
    "label": label,
    "share": share,
    "key": key,
    "number": formatting.number,
    "percent": formatting.percent,
    "kpi": formatting.kpi,
    "trend": formatting.trend,
    "spark": formatting.spark,
    "unit": formatting.unit,
    "amount": formatting.amount,
    "plain": plain,
    "days": formatting.days,
    "comparison": formatting.comparison,
    "moment": formatting.moment,
    "kpi_name": formatting.KPIS.__getitem__,
}
"""The filters by name."""
