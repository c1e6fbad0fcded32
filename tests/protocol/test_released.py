"""Released case ids are permanent: baselines and selectors that name one must stay valid."""

from conformance.paths import bundled
from conformance.protocol.cases import catalogue


def test_released_ids_still_exist() -> None:
    """Every id in fixtures/released.txt is the id of a case."""
    released = bundled("fixtures/released.txt").read_text(encoding="utf-8").split()
    assert sorted(set(released) - {case.id for case in catalogue()}) == []
