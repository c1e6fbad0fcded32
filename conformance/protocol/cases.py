"""The catalogue of cases, read from the vectors, ``scenarios.toml`` and ``properties.toml``."""

import difflib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from hashlib import sha256
from typing import Any

from conformance.paths import bundled
from conformance.protocol.requirement_sets import belongs, first_set, latest
from conformance.protocol.requirements import Lane, Level, requirements


@dataclass(frozen=True, kw_only=True)
class Case:
    """One check of one requirement in one lane.

    ``vector`` holds the members of the vector that the case was read from (``call``, ``payload``, ``row`` or
    ``request``, ``status``, ``rows``). It is empty for a scenario, whose test function is marked with the
    case's id, and for a property, which is checked on generated examples (``drawn``). The case belongs to the
    requirement set ``since`` and to every later one. Scenarios of one ``group`` are checked in one process,
    because they share what takes long.
    """

    id: str
    requirement: str
    lane: Lane
    level: Level
    why: str
    what: str = ""
    vector: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)
    drawn: bool = False
    since: str = field(default_factory=first_set)
    group: str = ""

    def upcoming(self, set_: str) -> bool:
        """Return True if the case does not belong to a requirement set yet, so that it changes no verdict."""
        return not belongs(self.since, set_)

    @property
    def on_page(self) -> bool:
        """True if this case of the dashboard lane uses the page, in a browser, rather than the API."""
        return self.id.partition("/")[2].startswith(f"{self.requirement.lower()}-page-")


class UnknownSelector(ValueError):
    """A pattern of ``--only`` or ``--skip`` that matches no case and no requirement."""

    def __init__(self, pattern: str, known: Iterable[str]) -> None:
        names = {name.lower(): name for name in known}
        near = [names[n] for n in difflib.get_close_matches(pattern.lower(), names, n=3, cutoff=0.6)]
        hint = f"did you mean {' or '.join(near)}?" if near else "`clickport list` shows every id"
        super().__init__(f"{pattern!r} matches no case and no requirement: {hint}")


@cache
def catalogue() -> tuple[Case, ...]:
    """Return every case of the suite. Raises ValueError if two cases have the same id."""
    cases = (*_vectors("track"), *_vectors("ingest"), *_scenarios(), *_properties())
    times = Counter(case.id for case in cases)
    if twice := sorted(id_ for id_, number in times.items() if number > 1):
        raise ValueError(f"fixtures: these case ids are used more than once: {', '.join(twice)}")
    return cases


def select(
    *,
    lanes: Iterable[Lane],
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    part: tuple[int, int] | None = None,
) -> tuple[list[Case], list[Case]]:
    """Return the selected and the deselected cases of ``lanes``.

    A pattern in ``only`` or ``skip`` is a case-insensitive glob that is matched against case ids, with and
    without the lane, and requirement ids. ``part`` is (K, N): the K-th of N parts, counted from 1. Raises
    UnknownSelector if a pattern matches nothing in the whole catalogue.
    """
    chosen, others = _select(frozenset(lanes), tuple(only), tuple(skip), part)
    return [*chosen], [*others]


@cache
def _select(
    lanes: frozenset[Lane], only: tuple[str, ...], skip: tuple[str, ...], part: tuple[int, int] | None
) -> tuple[list[Case], list[Case]]:
    for pattern in (*only, *skip):
        _require_known(pattern)
    own = [case for case in catalogue() if case.lane in lanes]
    chosen = [c for c in own if (not only or _matches(c, only)) and not _matches(c, skip)]
    if part:
        chosen = [case for case in chosen if _part(case, part[1]) == part[0]]
    names = {case.id for case in chosen}
    return chosen, [case for case in own if case.id not in names]


def _part(case: Case, parts: int) -> int:
    """Return the part (from 1) that a case belongs to.

    The properties of a lane are checked by one search, so all of them belong to the same part.
    """
    name = f"{case.lane}/drawn" if case.drawn else case.id
    return int(sha256(name.encode()).hexdigest(), 16) % parts + 1


def _names(case: Case) -> tuple[str, str, str]:
    return case.id, case.id.partition("/")[2], case.requirement


def _matches(case: Case, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), p.lower()) for p in patterns for name in _names(case))


def _require_known(pattern: str) -> None:
    known = {name: None for case in catalogue() for name in _names(case)} | dict.fromkeys(requirements())
    if not any(fnmatchcase(name.lower(), pattern.lower()) for name in known):
        raise UnknownSelector(pattern, known)


def _vectors(folder: str) -> Iterable[Case]:
    for path in sorted(bundled(f"fixtures/vectors/{folder}").glob("*.json")):
        for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"]:
            for lane in vector["lanes"]:
                yield _case(vector["id"], Lane(lane), vector, vector)


def _scenarios() -> Iterable[Case]:
    lanes = tomllib.loads(bundled("fixtures/scenarios.toml").read_text(encoding="utf-8"))
    for lane, scenarios in lanes.items():
        for id_, row in scenarios.items():
            yield _case(id_, Lane(lane), row, {})


def _properties() -> Iterable[Case]:
    rows = tomllib.loads(bundled("fixtures/properties.toml").read_text(encoding="utf-8"))
    for id_, row in rows.items():
        for lane in row["lanes"]:
            yield replace(_case(id_, Lane(lane), row, {}), drawn=True)


def _case(id_: str, lane: Lane, row: Mapping[str, Any], vector: Mapping[str, Any]) -> Case:
    requirement = requirements()[row["requirement"]]
    return Case(
        id=f"{lane}/{id_}",
        requirement=requirement.id,
        lane=lane,
        level=Level(row.get("level", requirement.level)),
        why=row["why"],
        what=row.get("what", ""),
        vector=vector,
        group=row.get("group", ""),
        since=latest(requirement.since, row.get("since", requirement.since)),
    )
