"""Ids are for good: whoever names one in a baseline or a selector must find it in every later version."""

from conformance.paths import bundled
from conformance.protocol.cases import catalogue


def test_released_ids_still_exist() -> None:
    """Every id that was ever released is a case still; fixtures/released.txt is only added to."""
    released = bundled("fixtures/released.txt").read_text(encoding="utf-8").split()
    assert sorted(set(released) - {case.id for case in catalogue()}) == []
