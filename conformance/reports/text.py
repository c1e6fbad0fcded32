"""Evidence as text for reports: escaped, laid out and cut, whatever a target or visitor has sent."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

VALUE_LIMIT = 2_000
"""The most characters of one piece of evidence in a report."""

_KEPT_TAIL = 40  # A cut keeps the end, because that is where truncated values differ.
_TELLING = ("content-type", "content-encoding", "cookie", "origin", "access-control-")
_REPLY = {"status", "text", "problem"}
_COMMAND = re.compile(r"(^[^\S\n]*|#)(:(?=:)|#(?=[a-z]*\[))", re.MULTILINE)


def visible(text: str, *, keep: str = "\n\t") -> str:
    r"""Escape control characters, lone surrogates and invisible characters, except those in ``keep``.

    Escapes are UTF-16 units as in JSON and JavaScript, so escaped JSON stays JSON.

    >>> visible("a\x00b\ud83d \u202e")
    'a\\u0000b\\ud83d \\u202e'
    """
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def one_line(text: str) -> str:
    """Escape like ``visible`` and collapse each run of white space to one space."""
    return visible(" ".join(text.split()), keep="")


def harmless(text: str) -> str:
    """Escape control characters and the commands of CI services.

    GitHub executes a line that begins with ``::``, and ``##[`` anywhere; Azure and TeamCity execute
    ``##vso[`` and ``##teamcity[``.
    """
    return _COMMAND.sub(lambda match: f"{match[1]}{_escape(match[2])}", visible(text))


def cut(text: str, limit: int = VALUE_LIMIT) -> str:
    """Return the beginning and the end of a text longer than ``limit``, with a note of how much is left out.

    >>> cut("a" * 1000 + "z", 100)[-76:]
    'aa … (901 of 1,001 characters not shown) … aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz'
    """
    tail = min(_KEPT_TAIL, limit // 3)
    note = f" … ({len(text) - limit:,} of {len(text):,} characters not shown) … "
    if len(text) <= limit + len(note):  # The note would be longer than the text that it replaces.
        return text
    return f"{text[: limit - tail]}{note}{text[-tail:]}"


def show(value: Any, *, width: int = 100, limit: int = VALUE_LIMIT) -> str:
    """Return a piece of evidence as text: strings as they are, messages like HTTP, the rest as JSON.

    Strings inside it are cut to a third of ``limit``, so that their surroundings remain visible. Only headers
    that requirements are about are shown: a browser sends a dozen more.
    """
    match value:
        case str():
            text = _body(value, width, limit)
        case [Mapping(), *_] if all(_has_body(item) for item in value):
            parts = [_message(item, width=width, limit=limit) for item in value]
            text = "\n\n".join(parts)
        case Mapping() if _has_body(value):
            text = _message(value, width=width, limit=limit)
        case [Mapping(), *_] if all(set(item) == _REPLY for item in value):
            text = "\n".join(_reply(item, limit // 3) for item in value)
        case _:
            text = layout(_shorten(value, limit // 3), width)
    return cut(visible(text.rstrip("\n")), limit)


def layout(value: Any, width: int, indent: str = "") -> str:
    """Return JSON on one line if it fits into ``width``, else one member a line; fill lists of scalars."""
    flat = json.dumps(value, ensure_ascii=False, default=str)
    if len(indent) + len(flat) <= width or not value or not isinstance(value, list | tuple | Mapping):
        return flat
    inner = indent + "  "
    if isinstance(value, Mapping):
        names = [f"{json.dumps(str(key), ensure_ascii=False)}: " for key in value]
        members = [name + layout(v, width, inner) for name, v in zip(names, value.values(), strict=True)]
        return "{\n" + ",\n".join(inner + member for member in members) + f"\n{indent}}}"
    members = [layout(member, width, inner) for member in value]
    if not any(isinstance(member, list | tuple | Mapping) for member in value):
        members = _filled(members, width - len(inner))
    return "[\n" + ",\n".join(inner + member for member in members) + f"\n{indent}]"


def _filled(members: list[str], width: int) -> list[str]:
    """Join members to lines of at most ``width`` characters."""
    lines = members[:1]
    for member in members[1:]:
        if len(lines[-1]) + len(member) + 3 <= width:
            lines[-1] += f", {member}"
        else:
            lines.append(member)
    return lines


def plain(value: Any) -> Any:
    """Return evidence as values of strict JSON; NaN, infinities and other types become text."""
    match value:
        case Mapping():
            return {str(key): plain(member) for key, member in value.items()}
        case list() | tuple():
            return [plain(member) for member in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
    return str(value)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _shorten(value: Any, limit: int) -> Any:
    match value:
        case str():
            return cut(value, limit)
        case Mapping():
            return {_shorten(str(key), limit): _shorten(member, limit) for key, member in value.items()}
        case list() | tuple():
            return [_shorten(member, limit) for member in value]
    return value


def _has_body(value: Any) -> bool:
    """Return True for a request, an answer or an exchange as the recorder summarises it."""
    return isinstance(value, Mapping) and isinstance(value.get("body"), str)


def _message(value: Mapping[str, Any], *, width: int, limit: int) -> str:
    """Return head and body as on the wire, so that a JSON body is not escaped again."""
    start = " ".join(str(value[name]) for name in ("method", "target", "path", "url") if value.get(name))
    lines = [start] if start else []
    for name, content in _pairs(value.get("headers")):
        if name.lower().startswith(_TELLING):
            lines.append(f"{name}: {cut(content, limit // 3)}")
    if "method" not in value:
        rest = {k: v for k, v in value.items() if k not in ("headers", "body", "target", "path", "url")}
        lines += [f"{name}: {layout(_shorten(v, limit // 3), width)}" for name, v in rest.items()]
    body = cut(_body(value["body"], width, limit), limit // 2)
    return "\n".join([*lines, *([""] if body and lines else []), *([body] if body else []), *_fate(value)])


def _body(text: str, width: int, limit: int) -> str:
    """Return a body verbatim; lay out long JSON if that changes nothing but white space."""
    if len(text) <= width:
        return text
    try:
        value = json.loads(text)
        written = (json.dumps(value, ensure_ascii=False, separators=s) for s in ((",", ":"), (", ", ": ")))
        return layout(_shorten(value, limit // 6), width) if text in written else text
    except (ValueError, RecursionError):
        return text


def _reply(value: Mapping[str, Any], limit: int) -> str:
    """Return the status and text of an answer, or the problem if there was none, on one line."""
    if value["status"] is None:
        return str(value["problem"])
    return f"{value['status']} {cut(str(value['text']), limit)}".rstrip()


def _pairs(headers: Any) -> list[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return [(str(name), str(content)) for name, content in pairs]


def _fate(value: Mapping[str, Any]) -> list[str]:
    """Return the outcome of a request as lines, if it is unusual or was arranged by the recorder."""
    if "method" not in value:
        return []
    gone, reset = value.get("gone") is not None, value.get("reset")
    how = f"reset by RST_STREAM {reset}" if reset else "connection closed"
    outcomes = [
        (value.get("status") is not None, f"answered {value.get('status')}"),
        (bool(value.get("held")), "answer held back"),
        (bool(value.get("followed")), "followed our redirect"),
        (bool(value.get("goaway")), f"GOAWAY {value.get('goaway')} from the browser"),
        (gone and value.get("complete") is None, "left before its body had ended"),
        (gone, f"{how} before the answer"),
    ]
    applicable = ", ".join(text for applies, text in outcomes if applies)
    return ["", f"({applicable})"] if applicable else []
