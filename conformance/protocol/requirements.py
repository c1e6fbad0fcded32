"""The requirements of the protocol, read from ``fixtures/requirements.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from conformance.paths import bundled
from conformance.protocol.requirement_sets import belongs, first_set


class Level(StrEnum):
    """Obligation of a requirement: violating a MUST fails a run, a SHOULD warns, a MAY is only reported."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Lane(StrEnum):
    """Part of a run in which requirements are checked, by the kind of target."""

    TRACKER = "tracker"
    SERVER = "server"
    PAIR = "pair"
    DASHBOARD = "dashboard"
    LOAD = "load"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A requirement; ``excluded`` gives the reason for each of its lanes that has no case yet.

    ``source`` names a standard or an engine; it is empty if the protocol's documentation is the source. The
    requirement belongs to the requirement set ``since`` and to every later one.
    """

    id: str
    level: Level
    lanes: tuple[Lane, ...]
    what: str
    why: str
    excluded: Mapping[Lane, str]
    source: str = ""
    since: str = field(default_factory=first_set)

    @property
    def family(self) -> str:
        """The id without its number: ``PROP`` for ``PROP-3``."""
        return self.id.rpartition("-")[0]


@cache
def requirements() -> Mapping[str, Requirement]:
    """Return every requirement by its id, in the order of the file."""
    rows = tomllib.loads(bundled("fixtures/requirements.toml").read_text(encoding="utf-8"))
    return {
        id_: Requirement(
            id=id_,
            level=Level(row["level"]),
            lanes=tuple(Lane(lane) for lane in row["lanes"]),
            what=row["what"],
            why=row["why"],
            excluded={Lane(lane): reason for lane, reason in row.get("excluded", {}).items()},
            source=row.get("source", ""),
            since=row.get("since", first_set()),
        )
        for id_, row in rows.items()
    }


def requirements_of(set_: str) -> Mapping[str, Requirement]:
    """Return the requirements of a requirement set by id, in the order of the file."""
    return {id_: each for id_, each in requirements().items() if belongs(each.since, set_)}
