"""Progress of a load run: a live line on a terminal, a plain line every 10 s in a log."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.status import Status

from conformance.load.figures import Second

_SECONDS = 10.0


class LoadProgress:
    """Prints the progress of a load run; ``live`` and ``clock`` are for tests."""

    def __init__(
        self, console: Console, *, live: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._live = (console.is_interactive and console.file.isatty()) if live is None else live
        self._clock = clock
        self._printed = clock()
        self._status: Status | None = None

    def say(self, text: str) -> None:
        """Print that another part of the run begins."""
        if self._live:
            self._line(text)
        else:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
            self._printed = self._clock()

    def show(self, part: str, second: Second, unseen: int) -> None:
        """Print the figures of the last complete second; in a log, at most every 10 s."""
        if not self._live and self._clock() - self._printed < _SECONDS:
            return
        self._printed = self._clock()
        text = f"{part}: {describe(second, unseen)}"
        if self._live:
            self._line(text)
        else:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(text.replace("[", "\\["))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()
            self._status = None


def describe(second: Second, unseen: int) -> str:
    """Return one second as text: ``550 due, 548 acknowledged, p95 3.2 ms, 0 errors, …``."""
    parts = [f"{second.due} due", f"{second.acknowledged} acknowledged"]
    p95 = second.latency.quantile(0.95)
    parts += [f"p95 {p95 * 1000:.1f} ms"] if p95 is not None else []
    parts += [f"{second.errors} error{'s' * (second.errors != 1)}"]
    parts += [f"{second.backlog:.0f} wait for ClickHouse"] if second.backlog is not None else []
    visible = second.visible.quantile(0.5)
    parts += [f"visible after {visible:.2f} s"] if visible is not None else []
    return ", ".join(parts) + (f", {unseen} of the followed not yet visible" if unseen > 50 else "")
