"""The configuration file: the options of ``clickport check`` under the same names."""

import difflib
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from conformance.harness.options import Options, UsageError

_KINDS = {bool: "true or false", int: "a number", str: "a text"}
_PLACES = (Path("clickport.toml"), Path("pyproject.toml"))


def read_config(path: Path | None) -> dict[str, Any]:
    """Return the options set by a configuration file, keyed by field of Options.

    Without ``path``, read ``clickport.toml`` or ``pyproject.toml`` in the current folder, if there is one.
    Raises UsageError, naming file and option, for an unknown option or a value of the wrong type.
    """
    if path and not path.exists():
        raise UsageError(f"{path}: no such file")
    for place in [path] if path else _PLACES:
        if place.exists():
            return dict(_option(place, name, value) for name, value in _section(place).items())
    return {}


def _section(path: Path) -> dict[str, Any]:
    """Return the table ``tool.clickport`` of a shared file, or the whole of a file of its own."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error
    shared = path.name == "pyproject.toml" or "tool" in data
    tool = data.get("tool", {}) if shared else {}
    section = (tool.get("clickport", {}) if isinstance(tool, dict) else tool) if shared else data
    if not isinstance(section, dict):
        raise UsageError(f"{path}: tool.clickport must be a table")
    return section


def _option(path: Path, name: str, value: Any) -> tuple[str, Any]:
    known = {field.name.replace("_", "-"): field for field in fields(Options)}
    field = known.get(name.replace("_", "-"))
    if field is None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(known)}"
        raise UsageError(f"{path}: unknown option {name!r}: {hint}")
    if names := field.metadata.get("tables"):
        return field.name, tuple(_text_of(path, name, names, table) for table in _list(value))
    if field.metadata.get("multiple"):
        values = _list(value)
        choices = field.metadata.get("choices")
        if not all(isinstance(v, str) and (not choices or v in choices) for v in values):
            raise UsageError(
                f"{path}: {name} must be a list of {'/'.join(choices or ['texts'])}, not {value!r}"
            )
        return field.name, tuple(values)
    kind: type = bool if field.metadata.get("flag") else int if field.metadata.get("number") else str
    if not isinstance(value, kind):
        raise UsageError(f"{path}: {name} must be {_KINDS[kind]}, not {value!r}")
    return field.name, value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text_of(path: Path, option: str, names: tuple[str, str], table: Any) -> str:
    """Return a table of two texts in the form of the command line: ``QUOTA-1=no usage API``."""
    key, value = names
    texts = isinstance(table, dict) and all(isinstance(value, str) for value in table.values())
    if not texts or set(table) != set(names):
        raise UsageError(
            f"{path}: {option} must be a list of tables with the texts {key} and {value}, not {table!r}"
        )
    return f"{table[key]}={table[value]}"
