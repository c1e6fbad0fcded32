"""What is counted over several tries of leaving a page."""

from typing import Any

from conformance.drivers.delivery_counts import count
from conformance.recorder import Exchange


def exchange(**more: Any) -> Exchange:
    """A request that came whole."""
    whole: dict[str, Any] = {"method": "POST", "target": "/api/event", "headers": (), "complete": 1.0}
    return Exchange(id=1, origin="", connection=1, started=1.0, **{**whole, **more})


HELD = exchange(held=True)
FOLLOWED = exchange(followed=True)


def test_tries_of_a_keepalive_request() -> None:
    """What follows our redirect is the same event: it came once."""
    assert count([[HELD, FOLLOWED], [HELD, FOLLOWED]], 2) == {
        "of": 2,
        "arrived": 2,
        "once": 2,
        "kept": 2,
        "undelayed": 2,
    }


def test_tries_of_a_plain_request() -> None:
    """It may arrive, twice even, and not be kept; of one that came late nothing is told about delay."""
    assert count([[HELD], [HELD, exchange()], [exchange()], []], 0) == {
        "of": 4,
        "arrived": 3,
        "once": 2,
        "kept": 0,
        "undelayed": 2,
    }


def test_where_nothing_was_held_back_nothing_is_told_of_it() -> None:
    """Of a listener's event it is known whether it arrived, and no more."""
    assert count([[exchange()], []]) == {"of": 2, "arrived": 1, "once": 1}
