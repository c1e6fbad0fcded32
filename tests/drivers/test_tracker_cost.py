"""The ratio of a tracker's time to its unit."""

import pytest

from conformance.drivers.tracker_cost import Cost


@pytest.mark.parametrize(
    ("tracker", "unit", "ratio"),
    [
        ((1, 1, 1), (0.1, 0.1, 0.1), 10),
        # Pauses of the machine: in rounds of the tracker, and in rounds of the unit.
        ((900, 900, 1), (0.1, 0.1, 0.1), 10),
        ((50, 50, 50), (1, 29.8, 29.8), 50),
        # A coarse clock: whole milliseconds for the sum of several.
        ((1, 1, 1), (0, 0.05, 0.1), 50),
        ((1, 1, 1), (0, 0, 0), 50),
    ],
)
def test_ratio(tracker: tuple[float, ...], unit: tuple[float, ...], ratio: float) -> None:
    """Pauses make a tracker look neither slower nor quicker than it is, and coarse clocks not much slower."""
    assert Cost(tracker=tracker, unit=unit, least_unit=0.02).ratio == pytest.approx(ratio)
