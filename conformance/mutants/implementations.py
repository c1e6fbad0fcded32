"""The implementations of the self-test, read from data, each with the results expected of it."""

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
    """The kind of an implementation, which decides the results expected of it."""

    REFERENCE = "reference"
    INDEPENDENT = "independent"
    NULL = "null"
    LYING = "lying"
    MUTANT = "mutant"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A fault: in ``file``, the only occurrence of the text ``find`` is replaced by ``replace``."""

    file: str
    find: str
    replace: str

    def apply(self, text: str) -> str:
        """Return the text with the fault. Raises ValueError unless ``find`` occurs exactly once."""
        times = text.count(self.find)
        if times != 1:
            raise ValueError(
                f"{self.file}: {self.find!r} occurs {times} times, expected once: "
                "adapt the mutant in conformance/mutants/mutants.toml"
            )
        return text.replace(self.find, self.replace)


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One implementation to be checked. ``fails`` and ``passes`` are as in ``implementations.toml``.

    ``rows`` are the rows of ``fixtures/transformations.toml`` whose transformations it applies, ``cells`` the
    ids of their cases, which must all fail. Implementations with rows share a run. A mutant of
    ``mutants.toml`` has the ``cells`` that its ``cases`` name, if any, and a run of its own.
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
        """Return a mutant with only the first of its lanes; any other implementation unchanged."""
        return replace(self, lanes=self.lanes[:1]) if self.kind is ImplementationKind.MUTANT else self


@cache
def subjects() -> tuple[Implementation, ...]:
    """Return all implementations.

    Raises ValueError, naming the mutant, if its requirement or one of its lanes is unknown.
    """
    others = _read("implementations.toml").items()
    mutants = _read("mutants.toml").items()
    return (
        *(_other(name, row) for name, row in others),
        *(_mutant(name, row) for name, row in mutants),
        *_transforming(Lane.TRACKER),
        *_transforming(Lane.SERVER),
    )


def runs(subjects: Iterable[Implementation]) -> dict[Implementation, list[Implementation]]:
    """Return the runs that are needed: the implementation to run → the implementations that it judges.

    Those with rows of transformations are joined to one for each side; any other is run by itself.
    """
    groups: dict[str, list[Implementation]] = {}
    for subject in subjects:
        name = f"transforming-{subject.lanes[0]}" if subject.rows else subject.name
        groups.setdefault(name, []).append(subject)
    return {_together(name, own): own for name, own in groups.items()}


def _together(name: str, subjects: list[Implementation]) -> Implementation:
    rows = tuple(row for subject in subjects for row in subject.rows)
    return replace(subjects[0], name=name, rows=rows) if rows else subjects[0]


def source(file: str) -> Path:
    """Return the path of a file of the reference implementations, which are started and never imported."""
    package, _, rest = file.partition("/")
    if package == "reference_server":
        return reference_server() / rest
    return bundled(file)


def reference_server() -> Path:
    """Return the folder of the reference server's package. Raises FileNotFoundError."""
    spec = find_spec("reference_server")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the package reference_server is not installed: pip install 'clickport-conformance[reference]'"
        )
    return Path(spec.submodule_search_locations[0])


def _transforming(lane: Lane) -> Iterator[Implementation]:
    """Yield a mutant for each row of the transformations, in the lane of its side and in the pair."""
    cells: dict[str, list[Case]] = {}
    for case in catalogue():
        if (match := _CELL.search(case.id)) and case.lane in (lane, Lane.PAIR):
            cells.setdefault(match["row"], []).append(case)
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
            f"mutant {name}: there is no requirement {row['kills']} with the lanes {', '.join(lanes)}"
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
