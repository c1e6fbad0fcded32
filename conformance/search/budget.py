"""Time budget for shrinking (``--shrink-seconds``), shared by the searches and processes of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BEGUN = "begun"


class Budget:
    """The seconds that a search may spend: an equal share of those left by the searches before it.

    ``ledger`` is a file of the run to which each process appends what it spends, one line each; without it,
    the budget belongs to this object alone. ``searches`` is the number of searches in the run.
    """

    def __init__(self, seconds: float, *, ledger: Path | None = None, searches: int = 1) -> None:
        self._seconds = seconds
        self._ledger = ledger
        self._lines: list[str] = []
        begun = sum(line == _BEGUN for line in self._noted())
        self._share = self._left_of_all() / max(searches - begun, 1)
        self._note(_BEGUN)

    @property
    def left(self) -> float:
        """Seconds that this search may still spend; 0 or less if the budget is used up."""
        return min(self._share, self._left_of_all())

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Deduct the duration of the block from the budget."""
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - began
            self._share -= seconds
            self._note(f"{seconds:.6f}")

    def _left_of_all(self) -> float:
        return self._seconds - sum(float(line) for line in self._noted() if line != _BEGUN)

    def _noted(self) -> list[str]:
        if self._ledger is None:
            return self._lines
        return self._ledger.read_text(encoding="ascii").split() if self._ledger.exists() else []

    def _note(self, line: str) -> None:
        if self._ledger is None:
            self._lines.append(line)
            return
        with self._ledger.open("a", encoding="ascii") as file:
            file.write(f"{line}\n")
