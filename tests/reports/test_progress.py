"""Progress output while checks run."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from conformance.reports import Progress
from conformance.results.record import Run


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log_of(violated: Run) -> Callable[..., str]:
    """Return a function that gives the log of a number of cases of some seconds each."""

    def log_of(cases: int, seconds: float) -> str:
        file, clock = io.StringIO(), _Clock()
        progress = Progress(Console(file=file, force_terminal=True, color_system="standard"), clock=clock)
        progress.start(cases)
        for number in range(cases):
            clock.now += seconds
            progress.case_done(violated.results[number % 2])
        progress.stop()
        progress.stop()
        return file.getvalue()

    return log_of


def test_a_log_gets_plain_lines_now_and_then(log_of: Callable[..., str]) -> None:
    """A log gets a plain line every 10 s, even if it claims to be a terminal."""
    assert log_of(30, 1) == (
        "30 cases to run\n"
        "10 of 30 cases, 5 failed (10 s)\n"
        "20 of 30 cases, 10 failed (20 s)\n"
        "30 of 30 cases, 15 failed (30 s)\n"
    )


def test_a_long_run_does_not_flood_the_log(log_of: Callable[..., str]) -> None:
    """Three hours of cases are fewer than 60 lines."""
    assert len(log_of(10_800, 1).splitlines()) < 60


def test_a_terminal_gets_a_live_line_that_goes_away(violated: Run) -> None:
    """The bar counts failures, and is cleared at the end."""
    file = io.StringIO()
    progress = Progress(Console(file=file, force_terminal=True, width=80), live=True)
    progress.start(2)
    progress.case_done(violated.results[0])
    progress.case_done(violated.results[1])
    progress.stop()
    assert "1 failed" in file.getvalue()
    assert file.getvalue().rstrip("\n").endswith("\x1b[2K")
