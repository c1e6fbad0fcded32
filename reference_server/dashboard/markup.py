"""Filters of the templates: what visitors sent, as HTML that says exactly that, and numbers as text."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

from reference_server.dashboard import formatting
from reference_server.text import plain

_SHORT = 160


def exact(text: str) -> Markup:
    """Write text as an attribute's value that a browser reads back unchanged: it turns a bare CR into LF."""
    return escape(text).replace("\r", Markup("&#13;"))


def visible(text: str) -> Markup:
    """Write text of a visitor: isolated, lest it turns its surroundings round; what is long, folded."""
    if not text.strip():
        return Markup('<span class="quiet">({})</span>').format("empty" if not text else "spaces only")
    if len(text) <= _SHORT:
        return Markup('<bdi class="sent">{}</bdi>').format(text)
    return Markup(
        '<details class="long"><summary><bdi class="sent">{}…</bdi></summary>'
        '<bdi class="sent">{}</bdi></details>'
    ).format(text[:_SHORT], text)


def label(text: str) -> str:
    """Shorten text for an attribute that is read aloud."""
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def share(count: int, top: int) -> str:
    """Return how long a bar is, beside the longest one."""
    return f"{100 * count / top:.1f}%" if top else "0%"


def key(*parts: Any) -> Markup:
    """Tell rows of a list apart."""
    return exact(json.dumps(parts))


def digest(value: Any) -> str:
    """Name an element after what it is about, in letters that an id may have."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


FILTERS: dict[str, Callable[..., Any]] = {
    "digest": digest,
    "exact": exact,
    "visible": visible,
    "label": label,
    "share": share,
    "key": key,
    "number": formatting.number,
    "percent": formatting.percent,
    "kpi": formatting.kpi,
    "trend": formatting.trend,
    "amount": formatting.amount,
    "plain": plain,
    "days": formatting.days,
    "moment": formatting.moment,
    "kpi_name": formatting.KPIS.__getitem__,
}
"""The filters by their names."""
