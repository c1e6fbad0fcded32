"""Requirement sets: the requirements and cases that a verdict is about; a released set is fixed for good."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from functools import cache

from conformance.paths import bundled

_NAME = re.compile(r"(\d{4})-(\d{1,2})")


class UnknownSet(ValueError):
    """A requirement set that this version does not have; the message lists those that it has."""


@dataclass(frozen=True, kw_only=True)
class RequirementSets:
    """The released sets, oldest first, and the one that verdicts are about unless another is named."""

    current: str
    released: tuple[str, ...]


@cache
def requirement_sets() -> RequirementSets:
    """Return the sets of ``fixtures/requirement-sets.toml``. Raises ValueError if they are out of order."""
    data = tomllib.loads(bundled("fixtures/requirement-sets.toml").read_text(encoding="utf-8"))
    names = tuple(data["sets"])
    if list(names) != sorted(names, key=_order) or data["current"] not in names:
        raise ValueError(
            f"fixtures/requirement-sets.toml: {', '.join(names)} must be in order, with {data['current']}"
        )
    return RequirementSets(current=data["current"], released=names)


def current_set() -> str:
    """Return the set that verdicts are about unless another is named."""
    return requirement_sets().current


def first_set() -> str:
    """Return the oldest set, to which everything without ``since`` belongs."""
    return requirement_sets().released[0]


def next_set() -> str:
    """Return the set that new checks belong to: the one after the current."""
    year, number = _order(current_set())
    return f"{year}-{number + 1}"


def require_released(name: str) -> str:
    """Return ``name`` if it is a released set. Raises UnknownSet."""
    known = requirement_sets().released
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"this version has {', '.join(known)}"
    raise UnknownSet(f"there is no requirement set {name!r}: {hint}")


def belongs(since: str, set_: str) -> bool:
    """Return True if what is required since one set belongs to another. Raises ValueError for a bad name."""
    return _order(since) <= _order(set_)


def _order(name: str) -> tuple[int, int]:
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is not a requirement set: write YEAR-NUMBER, such as 2026-1")
    return int(match[1]), int(match[2])


def latest(*names: str) -> str:
    """Return the newest of these sets."""
    return max(names, key=_order)
