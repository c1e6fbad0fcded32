"""Waits for stored rows: how long an earlier row may come after the last one."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from conformance.harness import instruments as module
from conformance.harness.instruments import Instruments
from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.readback import StoredRow

LAST, EARLIER = "cp1s", "cp1e"


@dataclass
class LateReadback:
    """A readback with a clock: each row appears at its second."""

    appears: dict[str, float]
    name: str = "rows by the clock"
    now: float = 0.0

    def monotonic(self) -> float:
        """Return the time, as ``time.monotonic``."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows that have appeared."""
        assert LAST.startswith(run)
        return [
            StoredRow(
                type="custom",
                name=f"Name {token}",
                meta_keys=(),
                meta_values=(),
                revenue_source_amount=None,
                revenue_source_currency=None,
            )
            for token, second in self.appears.items()
            if self.now >= second
        ]


@pytest.mark.parametrize(
    ("last", "earlier", "stored"),
    [(0.1, 4.9, True), (0.1, 5.5, False), (4.0, 15.0, True), (4.0, 16.5, False), (10.0, 24.0, True)],
)
def test_a_slow_server_gets_more_time(
    monkeypatch: pytest.MonkeyPatch, last: float, earlier: float, stored: bool
) -> None:
    """After the last row, an earlier one gets 5 s, or three times what the last one took, at most 15 s."""
    readback = LateReadback({LAST: last, EARLIER: earlier})
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=readback.monotonic, sleep=readback.sleep))
    instruments = Instruments(RunContext(options=Options(), run="cp1", since="2026-11-24T00:00:00Z"))
    monkeypatch.setitem(vars(instruments), "readback", readback)
    assert bool(instruments.stored({EARLIER: 1}, LAST)[EARLIER]) is stored
