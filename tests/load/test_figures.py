"""Figures from responses: quantiles, errors, and the rate that a ramp sustained."""

from typing import Any

import pytest

from conformance.load.figures import Figures, Histogram
from conformance.load.journal import JournalEntry, Phase
from conformance.load.mix import RequestKind

START = 1_000_000.0


def answer(
    due: float, latency: float = 0.001, *, status: int = 202, kind: RequestKind = RequestKind.EVENT
) -> JournalEntry:
    """Return a response ``latency`` seconds after the request was due, which was sent 1 ms before."""
    done = START + due + latency
    return JournalEntry("a", kind, 0, status, due=START + due, sent=done - 0.001, done=done)


def figures(*answers: JournalEntry) -> Figures:
    """Return the figures of these responses."""
    found = Figures()
    for one in answers:
        found.answered(one)
    return found


def test_quantiles_are_right_to_two_percent() -> None:
    """Quantiles of 1 to 1,000 ms are exact to 2 %, in any order of the values."""
    histogram = Histogram()
    for number in range(1000, 0, -1):
        histogram.add(number / 1000)
    for share in (0.5, 0.95, 0.99, 1.0):
        assert histogram.quantile(share) == pytest.approx(share, rel=0.02)
    assert histogram.summary()["max_ms"] == 1000


def test_memory_grows_with_time_not_with_requests() -> None:
    """100,000 latencies in one second take less than 700 counts."""
    histogram = Histogram()
    for number in range(100_000):
        histogram.add((number % 5_000 + 1) / 1000)
    assert len(histogram._counts) < 700


def test_nothing_has_no_quantile() -> None:
    """Without a measurement the quantiles are null."""
    assert Histogram().summary() == {"p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}


def test_latency_counts_from_when_it_was_due() -> None:
    """Latency counts from the time when a request was due, so that it includes stalls of the sender."""
    stalled = [answer(0.01 * n, 1.0 - 0.01 * n) for n in range(100)]
    report = figures(*stalled).report()
    assert report["latency"]["p50_ms"] == pytest.approx(500, rel=0.04)
    assert report["service"]["p95_ms"] == pytest.approx(1.0, rel=0.04)


@pytest.mark.parametrize(
    ("status", "kind", "errors"),
    [
        (202, RequestKind.EVENT, 0),
        (204, RequestKind.PAGEVIEW, 0),
        (400, RequestKind.PAGEVIEW, 0),
        (500, RequestKind.PAGEVIEW, 1),
        (400, RequestKind.MALFORMED, 0),
        (400, RequestKind.EVENT, 1),
        (503, RequestKind.EVENT, 1),
        (0, RequestKind.EVENT, 1),
        (202, RequestKind.MALFORMED, 1),
        (500, RequestKind.MALFORMED, 1),
    ],
)
def test_errors_are_unexpected_answers(status: int, kind: RequestKind, errors: int) -> None:
    """A 4xx is expected for malformed requests only; a server need not know pageviews."""
    assert figures(answer(0, status=status, kind=kind)).report()["errors"] == errors


def test_series_are_bounded() -> None:
    """Ten hours are reported in 240 points, without losing a request."""
    found = figures(*(answer(60.0 * minute) for minute in range(600))).report()["series"]
    assert len(found["due"]) <= 240
    assert sum(filter(None, found["due"])) * found["step_s"] == pytest.approx(600, rel=0.01)


def held(latency: float, *, status: int = 202) -> dict[str, Any] | None:
    """Return the sustained rate of a ramp that held 10 per second from its 5th to its 15th second."""
    steps = [answer(0.1 * n, 9.0) for n in range(50)]
    hold = [answer(5 + 0.1 * n, latency, status=status) for n in range(101)]
    phases = (Phase(START, 10.0, "step"), Phase(START + 5, 10.0, "hold"))
    return figures(*steps, *hold).sustained(phases, 0.05)


def test_sustained_is_what_was_held_at_the_end() -> None:
    """Only the hold counts, without its first two seconds."""
    assert held(0.01) == {"rate": 10.0, "p95_ms": pytest.approx(10, rel=0.03), "seconds": 8, "met": True}


def test_hold_that_breaks_is_not_sustained() -> None:
    """A hold that was slow or refused is marked as not sustained."""
    slow, refused = held(0.2), held(0.01, status=503)
    assert slow
    assert refused
    assert (slow["met"], refused["met"]) == (False, False)


def test_without_a_hold_nothing_is_sustained() -> None:
    """A run at a constant rate has no sustained rate."""
    assert figures(answer(0)).sustained((Phase(START, 5.0, "constant"),), 0.05) is None
