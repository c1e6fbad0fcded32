"""Counts over the attempts of an exit."""

from typing import Any

from conformance.drivers.delivery_counts import count
from conformance.recorder import Exchange


def exchange(**more: Any) -> Exchange:
    """Return a complete request."""
    whole: dict[str, Any] = {"method": "POST", "target": "/api/event", "headers": (), "complete": 1.0}
    return Exchange(id=1, origin="", connection=1, started=1.0, **{**whole, **more})


HELD = exchange(held=True)
FOLLOWED = exchange(followed=True)


def test_tries_of_a_keepalive_request() -> None:
    """A request that follows the recorder's redirect is the same event, and counts once."""
    assert count([[HELD, FOLLOWED], [HELD, FOLLOWED]], 2) == {
        "of": 2,
        "arrived": 2,
        "once": 2,
        "kept": 2,
        "undelayed": 2,
    }


def test_tries_of_a_plain_request() -> None:
    """A plain request may arrive, even twice, and not survive; one that came late has no delay."""
    assert count([[HELD], [HELD, exchange()], [exchange()], []], 0) == {
        "of": 4,
        "arrived": 3,
        "once": 2,
        "kept": 0,
        "undelayed": 2,
    }


def test_without_held_requests_only_arrival_counts() -> None:
    """Without held requests, only arrival is counted."""
    assert count([[exchange()], []]) == {"of": 2, "arrived": 1, "once": 1}
