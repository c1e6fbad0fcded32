"""Who is tried: mutants and the others, read from data, each with the case against it."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from conformance.paths import bundled
from conformance.protocol.cases import Case, catalogue
from conformance.protocol.requirements import Lane, requirements

HERE = Path(__file__).parent
_CELL = re.compile(r"-verbatim-(?P<row>.+)-(name|key|value|currency)(-\d+)?$")


class ImplementationKind(StrEnum):
    """What a subject is, and so what is expected of it."""

    REFERENCE = "reference"
    INDEPENDENT = "independent"
    NULL = "null"
    LYING = "lying"
    MUTANT = "mutant"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A fault: in ``file`` the text ``find``, which is there once, becomes ``replace``."""

    file: str
    find: str
    replace: str

    def apply(self, text: str) -> str:
        """The text with the fault in it. Raises ValueError unless ``find`` is there exactly once."""
        times = text.count(self.find)
        if times != 1:
            raise ValueError(f"{self.file}: {self.find!r} is there {times} times, expected once")
        return text.replace(self.find, self.replace)


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One implementation to be tried. ``fails`` and ``passes`` are as in ``implementations.toml``.

    ``rows`` are the rows of ``fixtures/transformations.toml`` whose transformations it makes, each in the
    cases of its own, ``cells``, which must all fail. Such subjects share an implementation, and so a run. A
    mutant of ``mutants.toml`` has the ``cells`` that its ``cases`` name, if any, and a run of its own.
    """

    name: str
    kind: ImplementationKind
    lanes: tuple[Lane, ...]
    edit: Edit | None = None
    fails: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    def in_one_lane(self) -> "Implementation":
        """The same, a mutant in the first of its lanes only."""
        return replace(self, lanes=self.lanes[:1]) if self.kind is ImplementationKind.MUTANT else self


@cache
def subjects() -> tuple[Implementation, ...]:
    """Every subject. Raises ValueError, naming it, for one that names no requirement or lane of it."""
    others = _read("implementations.toml").items()
    mutants = _read("mutants.toml").items()
    return (
        *(_other(name, row) for name, row in others),
        *(_mutant(name, row) for name, row in mutants),
        *_transforming(Lane.TRACKER),
        *_transforming(Lane.SERVER),
    )


def runs(subjects: Iterable[Implementation]) -> dict[Implementation, list[Implementation]]:
    """Return the subjects that are to be run, and what each run tells about: itself, or the rows it makes."""
    found: dict[str, list[Implementation]] = {}
    for subject in subjects:
        found.setdefault(f"transforming-{subject.lanes[0]}" if subject.rows else subject.name, []).append(
            subject
        )
    return {_together(name, own): own for name, own in found.items()}


def _together(name: str, subjects: list[Implementation]) -> Implementation:
    rows = tuple(row for subject in subjects for row in subject.rows)
    return replace(subjects[0], name=name, rows=rows) if rows else subjects[0]


def source(file: str) -> Path:
    """Where a file of the reference implementations is. The referee starts them and never imports them."""
    package, _, rest = file.partition("/")
    if package == "reference_server":
        return reference_server() / rest
    return bundled(file)


def reference_server() -> Path:
    """The folder of the reference server's package. Raises FileNotFoundError."""
    spec = find_spec("reference_server")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package reference_server is not installed")
    return Path(spec.submodule_search_locations[0])


def _transforming(lane: Lane) -> Iterator[Implementation]:
    """Yield a mutant for each row of the transformations, in the lane of its side and in the pair."""
    cells: dict[str, list[Case]] = {}
    for case in catalogue():
        if (found := _CELL.search(case.id)) and case.lane in (lane, Lane.PAIR):
            cells.setdefault(found["row"], []).append(case)
    for row, own in cells.items():
        yield Implementation(
            name=f"{lane}-transforms-{row}",
            kind=ImplementationKind.MUTANT,
            lanes=(lane, Lane.PAIR),
            fails=tuple(dict.fromkeys(case.requirement for case in own)),
            rows=(row,),
            cells=tuple(case.id for case in own),
        )


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


def _other(name: str, row: Mapping[str, Any]) -> Implementation:
    return Implementation(
        name=name,
        kind=ImplementationKind(row["kind"]),
        lanes=tuple(Lane(lane) for lane in row["lanes"]),
        fails=tuple(row.get("fails", ())),
        passes=tuple(row.get("passes", ())),
    )


def _mutant(name: str, row: Mapping[str, Any]) -> Implementation:
    lanes = tuple(Lane(lane) for lane in row["lanes"])
    requirement = requirements().get(row["kills"])
    if requirement is None or not set(lanes) <= set(requirement.lanes):
        raise ValueError(
            f"mutant {name}: {row['kills']} in {', '.join(lanes)} is no requirement in its lanes"
        )
    cells = tuple(row.get("cases", ()))
    own = {case.id for case in catalogue() if case.requirement == row["kills"] and case.lane in lanes}
    if unknown := sorted(set(cells) - own):
        raise ValueError(f"mutant {name}: {unknown[0]} is not a case of {row['kills']} in its lanes")
    return Implementation(
        name=name,
        kind=ImplementationKind.MUTANT,
        lanes=lanes,
        edit=Edit(file=row["file"], find=row["find"], replace=row["replace"]),
        fails=(row["kills"],),
        cells=cells,
    )
