"""Reading of what a results site shows: records of ``check`` and ``load``, reports of ``selftest``."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.protocol.requirement_sets import require_released
from conformance.protocol.requirements import Lane
from conformance.reports import load, summary
from conformance.reports.plots import plots
from conformance.reports.text import one_line
from conformance.results.record import Run, read, whole_lines
from conformance.results.redaction import masked
from conformance.results.verdict import Verdict

_SLUG_LIMIT = 60
_LISTS = ("lanes", "fails", "killed", "survived", "others", "problems")
_TEXTS = ("name", "kind", "outcome")


class BadRecord(ValueError):
    """A file is no record that the site can show; the message names file and line."""


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """A run of an implementation; ``id`` is made from its date and content, and names its pages."""

    name: str
    id: str
    run: Run
    verdict: Verdict

    @property
    def day(self) -> str:
        """Return the day and minute of its start, as recorded."""
        return self.run.info.started[:16].replace("T", " ")

    @property
    def suite(self) -> str:
        """Return the version of the suite and the requirement set, such as ``0.1.0-2026-1``."""
        return f"{self.run.info.version}-{self.run.info.requirement_set}"

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes of the run."""
        return self.run.info.lanes


@dataclass(frozen=True, kw_only=True)
class KillEntry:
    """A kill matrix, as ``clickport selftest --report json=`` writes it."""

    name: str
    id: str
    matrix: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Records:
    """Everything that a site shows; runs are in the order of their start."""

    runs: tuple[RunEntry, ...]
    kills: tuple[KillEntry, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the implementations, in alphabetical order."""
        return tuple(sorted({entry.name for entry in self.runs}, key=str.lower))

    def of(self, name: str) -> tuple[RunEntry, ...]:
        """Return the runs of an implementation, the oldest first."""
        return tuple(entry for entry in self.runs if entry.name == name)


def slug(name: str) -> str:
    """Return a name for files and links; different names have different ones.

    >>> slug("reference")
    'reference'
    """
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:_SLUG_LIMIT]
    return plain if plain == name else f"{plain or 'x'}-{_digest(name.encode('utf-8', 'surrogatepass'))[:6]}"


def read_all(words: Iterable[str]) -> Records:
    """Read records, each given as ``PATH`` or ``NAME=PATH``. Raises BadRecord or OSError."""
    runs: dict[str, RunEntry] = {}
    kills: dict[str, KillEntry] = {}
    for word in words:
        name, path = _named(word)
        entry = _read(name, path)
        if isinstance(entry, RunEntry):
            runs.setdefault(entry.id, entry)
        else:
            kills.setdefault(entry.id, entry)
    ordered = sorted(runs.values(), key=lambda entry: (entry.run.info.started, entry.id))
    return Records(runs=tuple(ordered), kills=tuple(kills.values()))


def _named(word: str) -> tuple[str, Path]:
    name, separator, path = word.partition("=")
    if not separator or not name or Path(word).exists():
        return "", Path(word)
    return one_line(name), Path(path)


def _read(name: str, path: Path) -> RunEntry | KillEntry:
    data = path.read_bytes()
    try:
        whole = json.loads(data) if data.lstrip().startswith(b"{\n") else None
    except json.JSONDecodeError as error:
        raise BadRecord(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8: {error}") from error
    if isinstance(whole, dict) and "subjects" in whole:
        _require_matrix(path, whole)
        return KillEntry(name=name or path.stem, id=_digest(data)[:8], matrix=whole)
    if whole is not None:
        raise BadRecord(f"{path}, line 1: not a record: give the file of --run-record, or a selftest report")
    try:
        run = read(path)
        require_released(run.info.requirement_set)
        _require_schema(path, data)
        verdict = run.verdict()
        _require_figures(path, data, run)
    except BadRecord:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = str(error)
        raise BadRecord(text if text.startswith(str(path)) else f"{path}, line 1: {text}") from error
    named = name or " + ".join(one_line(masked(text)) for kind, text in _targets(run).items())
    moment = re.sub(r"\D", "", run.info.started)[:12]
    digest = _digest(named.encode("utf-8", "surrogatepass") + b"\0" + data)[:8]
    return RunEntry(name=named or path.stem, id=f"{moment}-{digest}", run=run, verdict=verdict)


def _targets(run: Run) -> Mapping[str, str]:
    """Return what was tested, without the readback, which is no part of an implementation."""
    return {kind: text for kind, text in summary.targets(run).items() if kind != "readback"}


@cache
def _validator() -> Draft202012Validator:
    schema = bundled("fixtures/schema/run-record.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(schema))


def _require_schema(path: Path, data: bytes) -> None:
    """Raise BadRecord, naming the line, unless every line has the shape that the schema describes."""
    for number, text in enumerate(whole_lines(data), start=1):
        line = json.loads(text)
        kind = _validator().schema["$defs"].get(line.get("kind"))
        checked = (
            _validator().evolve(schema={**kind, "$defs": _validator().schema["$defs"]}) if kind else None
        )
        for error in checked.iter_errors(line) if checked else ():
            raise BadRecord(f"{path}, line {number}: {error.json_path}: {error.message[:200]}")


def _require_figures(path: Path, data: bytes, run: Run) -> None:
    if run.load is None:
        return
    number = 1 + next(n for n, text in enumerate(whole_lines(data)) if json.loads(text).get("kind") == "load")
    try:
        load.figures(run.load), load.missed(run.load), load.measured(run.load), load.yardsticks(run.load)
        plots(run.load)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"{path}, line {number}: not the figures of a load run: {error!r}") from error


def _require_matrix(path: Path, matrix: Mapping[str, Any]) -> None:
    """Raise BadRecord unless every subject has the members that ``selftest`` writes."""
    subjects = matrix["subjects"]
    for number, subject in enumerate(subjects if isinstance(subjects, list) else [None], start=1):
        sound = (
            isinstance(subject, dict)
            and all(isinstance(subject.get(key), str) for key in _TEXTS)
            and all(isinstance(subject.get(key), list) for key in _LISTS)
            and isinstance(subject.get("seconds"), int | float)
        )
        if not sound:
            raise BadRecord(f"{path}, line 1: not a selftest report: subject {number} is incomplete")
    if not isinstance(matrix.get("problems"), list):
        raise BadRecord(f"{path}, line 1: not a selftest report: it has no list of problems")


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()
