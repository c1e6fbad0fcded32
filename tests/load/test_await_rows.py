"""Waiting for the rows of a run, where what they are read from is away for a while."""

from collections.abc import Collection, Iterator
from typing import Any, cast

import pytest

from conformance.load import await_rows as module
from conformance.load.await_rows import await_rows
from conformance.load.ledger import Row
from conformance.protocol.outcomes import TargetUnavailable


class Away:
    """Five rows, the sentinel among them, which cannot be read the first times."""

    def __init__(self, times: float) -> None:
        self.times = times

    def count(self) -> int:
        """How many rows there are."""
        if self.times > 0:
            self.times -= 1
            raise TargetUnavailable("away")
        return 5

    def rows(self) -> Iterator[Row]:
        """None: nobody asks."""
        return iter(())

    def seen(self, nonces: Collection[str], since: float) -> set[str]:  # noqa: ARG002 - as the protocol has it
        """All of them."""
        return set(nonces)

    def size(self) -> float | None:
        """Nobody knows."""
        return None


@pytest.fixture(autouse=True)
def sentinel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes the sentinel."""
    monkeypatch.setattr(module, "_send", lambda *_: "sentinel")


def test_what_is_away_for_a_while_is_waited_for() -> None:
    """A database that was killed under load may come back after the load."""
    rows = Away(3)
    await_rows(rows, "", cast("Any", None), domain="example.com", expected=4, patience=10)
    assert rows.times == 0


def test_what_stays_away_is_told_after_the_patience() -> None:
    """Without rows there is no verdict."""
    with pytest.raises(TargetUnavailable, match="away"):
        await_rows(Away(float("inf")), "", cast("Any", None), domain="example.com", expected=4, patience=0.3)
