"""Generate fixtures/vectors/*/verbatim.json from fixtures/transformations.toml: ``make vectors``."""

import json
import sys
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_FIXTURES = Path(__file__).parents[1] / "fixtures"
TABLE = _FIXTURES / "transformations.toml"
FOLDERS = ("track", "ingest")
_JOINED = " | "


def place(folder: str) -> Path:
    """Return the path of the generated file in the folder ``track`` or ``ingest``."""
    return _FIXTURES / "vectors" / folder / "verbatim.json"


def render(folder: str) -> str:
    """Return the content of the file in the folder ``track`` or ``ingest``: JSON, laid out for people."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    made = [vector for id_, row in rows.items() for vector in _vectors(folder, id_, row)]
    return '{"vectors": [\n\n' + ",\n\n".join(map(_written, made)) + "\n\n]}\n"


def _written(vector: Mapping[str, Any]) -> str:
    """Return a vector as JSON: the first three members on one line, then one member a line."""
    members = [f"{_json(name)}: {_json(value)}" for name, value in vector.items()]
    return "{" + ", ".join(members[:3]) + ",\n " + ",\n ".join(members[3:]) + "}"


def _vectors(folder: str, id_: str, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the vectors of a row: for all its values, for all its keys, for each name and each currency."""
    values, keys = row["texts"], row.get("keys", row["texts"])
    if values:
        named = {f"k{number}": value for number, value in enumerate(values, start=1)}
        yield from _of_properties(folder, row, f"{id_}-value", list(named), values)
    if keys:
        yield from _of_properties(folder, row, f"{id_}-key", keys, [f"v{n}" for n in range(1, len(keys) + 1)])
    for cell, name in _numbered(f"{id_}-name", row["names"] if "names" in row else [_JOINED.join(values)]):
        yield from _of_name(folder, row, cell, name)
    for cell, code in _numbered(f"{id_}-currency", row.get("currencies", [])):
        yield from _of_currency(folder, row, cell, code)


def _numbered(cell: str, samples: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(cell if n == 1 else f"{cell}-{n}", sample) for n, sample in enumerate(samples, start=1)]


def _of_properties(
    folder: str, line: Mapping[str, Any], cell: str, keys: Sequence[Any], values: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    name, stored = _marker(cell), {"meta_keys": list(keys), "meta_values": list(values)}
    if folder == "ingest":
        request = {"t": "e", "n": name, "mk": list(keys), "mv": list(values)}
        yield _ingest("PROP-1", line, cell, request, stored)
    else:
        call = f"clickport.track({_js(name)}, {_js_object(keys, values)})"
        payload = {"mk": list(keys), "mv": list(values)}
        yield _track("PROP-1", ["tracker", "pair"], line, cell, call, payload=payload, row=stored)


def _of_name(folder: str, line: Mapping[str, Any], cell: str, name: Any) -> Iterator[dict[str, Any]]:
    # The name must be the sample alone, so the token is in a property.
    marker = _marker(cell)
    if folder == "ingest":
        request = {"t": "e", "n": name, "mk": ["cell"], "mv": [marker]}
        yield _ingest("STORE-1", line, cell, request, {"name": name})
    else:
        call = f"clickport.track({_js(name)}, {_js_object(['cell'], [marker])})"
        yield _track("WIRE-2", ["tracker"], line, cell, call, payload={"n": name})
        yield _track("STORE-1", ["pair"], line, cell, call, row={"name": name})


def _of_currency(folder: str, line: Mapping[str, Any], cell: str, code: str) -> Iterator[dict[str, Any]]:
    stored = {"revenue_source_currency": code}
    if folder == "ingest":
        request = {"t": "e", "n": _marker(cell), "mk": [], "mv": [], "ra": 5, "rc": code}
        yield _ingest("REV-2", line, cell, request, stored)
    else:
        call = f"clickport.track({_js(_marker(cell))}, null, {{amount: 5, currency: {_js(code)}}})"
        yield _track("REV-2", ["tracker", "pair"], line, cell, call, payload={"rc": code}, row=stored)


def _marker(cell: str) -> str:
    """Return the text that names an event's cell, for the implementations of the self-test."""
    return f"Verbatim {cell} {{token}}"


def _ingest(
    requirement: str,
    line: Mapping[str, Any],
    cell: str,
    request: Mapping[str, Any],
    stored: Mapping[str, Any],
) -> dict[str, Any]:
    head = {**_head(requirement, ["server"], line, cell), "request": {"json": request}}
    refusable = {"status": "4xx-or-2xx"} if line.get("refusable") else {}
    return {**head, **refusable, "rows": [stored]}


def _track(
    requirement: str, lanes: list[str], line: Mapping[str, Any], cell: str, call: str, **expected: Any
) -> dict[str, Any]:
    return {**_head(requirement, lanes, line, cell), "together": True, "call": call, **expected}


def _head(requirement: str, lanes: list[str], line: Mapping[str, Any], cell: str) -> dict[str, Any]:
    id_ = f"{requirement.lower()}-verbatim-{cell}"
    return {"id": id_, "requirement": requirement, "lanes": lanes, "why": line["why"]}


def _js_object(keys: Sequence[Any], values: Sequence[Any]) -> str:
    members = [
        f"{_js(key) if isinstance(key, str) else f'[{_js(key)}]'}: {_js(value)}"
        for key, value in zip(keys, values, strict=True)
    ]
    return "{" + ", ".join(members) + "}"


def _js(text: Any) -> str:
    """Return a text, or a matcher for a long text, as a JavaScript expression."""
    match text:
        case {"$repeat": [part, times]}:
            return f"{_js(part)}.repeat({times})"
        case {"$join": [*parts]}:
            return " + ".join(map(_js, parts))
    return _json(text)


def _json(value: Any) -> str:
    """Return JSON with invisible characters, and those that an editor may normalise, escaped."""
    return "".join(c if _plain(c) else _escaped(c) for c in json.dumps(value, ensure_ascii=False))


def _plain(character: str) -> bool:
    seen = character == " " or unicodedata.category(character)[0] not in "CMZ"
    return seen and unicodedata.normalize("NFC", character) == character


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]


if __name__ == "__main__":
    for each in FOLDERS:
        place(each).write_text(render(each), encoding="utf-8")
        sys.stdout.write(f"wrote {place(each)}\n")
