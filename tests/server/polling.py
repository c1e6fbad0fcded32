"""Waiting for a condition with a deadline."""

import time
from collections.abc import Callable
from typing import Any

WAIT = 60.0
"""Seconds after which a condition that does not become true fails the test."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true result of ``condition``; fail with ``what`` after a minute."""
    deadline = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found
