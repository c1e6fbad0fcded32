"""Progress output while checks run."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from conformance.protocol.requirements import Lane
from conformance.reports import RunProgress
from conformance.results.record import Run
from conformance.results.verdict import Part, Status


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log_of(violated: Run) -> Callable[..., str]:
    """Return a function that gives the log of a number of cases of some seconds each."""

    def log_of(cases: int, seconds: float) -> str:
        file, clock = io.StringIO(), _Clock()
        progress = RunProgress(Console(file=file, force_terminal=True, color_system="standard"), clock=clock)
        progress.start({Part(Lane.TRACKER, "chromium"): cases + 1})
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
        "31 cases to run\n"
        "10 of 31 cases, 5 failed (10 s)\n"
        "20 of 31 cases, 10 failed (20 s)\n"
        "30 of 31 cases, 15 failed (30 s)\n"
    )


def test_a_long_run_does_not_flood_the_log(log_of: Callable[..., str]) -> None:
    """Three hours of cases are fewer than 60 lines."""
    assert len(log_of(10_800, 1).splitlines()) < 60


def test_a_terminal_gets_a_live_line_that_goes_away(violated: Run) -> None:
    """The bar counts failures, and is cleared at the end."""
    file = io.StringIO()
    progress = RunProgress(Console(file=file, force_terminal=True, width=80), live=True)
    progress.start({Part(Lane.TRACKER, "chromium"): 3})
    progress.case_done(violated.results[0])
    progress.case_done(violated.results[1])
    progress.stop()
    assert "1 failed" in file.getvalue()
    assert file.getvalue().rstrip("\n").endswith("\x1b[2K")


@pytest.mark.parametrize("live", [True, False])
def test_a_lane_is_decided_before_the_run_is(violated: Run, live: bool) -> None:
    """The last result of a lane in a browser prints its outcome, with the violated requirements."""
    file, clock = io.StringIO(), _Clock()
    progress = RunProgress(Console(file=file, width=80), live=live, clock=clock)
    lane = violated.results[0].lane
    results = [replace(result, browser="chromium", lane=lane) for result in violated.results[:2]]
    parts = {Part(results[0].lane, "chromium"): 2, Part(Lane.SERVER, None): 1}
    progress.start(parts)
    clock.now += 7
    progress.case_done(results[0])
    assert "lane in chromium" not in file.getvalue()
    progress.case_done(results[1])
    failed = ", ".join(sorted({r.requirement for r in results if r.status is Status.FAIL}))
    assert f"{results[0].lane} lane in chromium: violates {failed} in 2 cases (7 s)" in file.getvalue()
    progress.case_done(replace(results[0], lane=Lane.SERVER, browser=None, status=Status.PASS))
    progress.stop()
    assert "server lane: nothing violated in 1 case (7 s)" in file.getvalue()
