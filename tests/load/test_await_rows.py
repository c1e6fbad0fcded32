"""Waiting for the rows of a run while their source is temporarily unavailable."""

from collections.abc import Collection, Iterator
from typing import Any, cast

import pytest

from conformance.load import await_rows as module
from conformance.load.await_rows import await_rows
from conformance.load.ledger import Row
from conformance.protocol.outcomes import TargetUnavailable


class Away:
    """Source of five rows, including the sentinel, that fails the first times."""

    def __init__(self, times: float) -> None:
        self.times = times

    def count(self) -> int:
        """Return the number of rows, or fail."""
        if self.times > 0:
            self.times -= 1
            raise TargetUnavailable("away")
        return 5

    def rows(self) -> Iterator[Row]:
        """Return no rows; they are not used."""
        return iter(())

    def seen(self, nonces: Collection[str], since: float) -> set[str]:  # noqa: ARG002 - as the protocol has it
        """Return all of the nonces."""
        return set(nonces)

    def size(self) -> float | None:
        """Return no size."""
        return None


@pytest.fixture(autouse=True)
def sentinel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the server accepted the sentinel."""
    monkeypatch.setattr(module, "_send", lambda *_: "sentinel")


def test_what_is_away_for_a_while_is_waited_for() -> None:
    """A database that was killed under load may come back after it, and is waited for."""
    rows = Away(3)
    await_rows(rows, "", cast("Any", None), domain="example.com", expected=4, patience=10)
    assert rows.times == 0


def test_what_stays_away_raises_after_the_patience() -> None:
    """A source that stays unavailable raises its error when the patience is over."""
    with pytest.raises(TargetUnavailable, match="away"):
        await_rows(Away(float("inf")), "", cast("Any", None), domain="example.com", expected=4, patience=0.3)
