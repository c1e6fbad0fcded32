"""Released case ids are permanent, and released requirement sets are closed."""

import tomllib
from hashlib import sha256

import pytest

from conformance.paths import bundled
from conformance.protocol.cases import catalogue
from conformance.protocol.requirement_sets import next_set, requirement_sets


def digest(set_: str) -> str:
    """Return the digest of the ids and levels of a set's cases."""
    lines = sorted(f"{case.id} {case.level}\n" for case in catalogue() if not case.upcoming(set_))
    return sha256("".join(lines).encode()).hexdigest()[:16]


def test_released_ids_still_exist() -> None:
    """Every id in fixtures/released.txt is the id of a case."""
    released = bundled("fixtures/released.txt").read_text(encoding="utf-8").split()
    assert sorted(set(released) - {case.id for case in catalogue()}) == []


@pytest.mark.parametrize("set_", requirement_sets().released)
def test_sets_are_closed(set_: str) -> None:
    """A set has the cases and levels that it was released with; a new check belongs to the next set."""
    sets = tomllib.loads(bundled("fixtures/requirement-sets.toml").read_text(encoding="utf-8"))["sets"]
    assert sets[set_]["digest"] == digest(set_), (
        f'a case of {set_} is new or has another level: give it since = "{next_set()}"; '
        f'or, only if {set_} is not released yet, write digest = "{digest(set_)}"'
    )
