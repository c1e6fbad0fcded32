"""Figures of a running load: rates, latencies, backlog and visibility, second by second.

Memory grows with the length of a run, not with the number of requests, because latencies are counted in
buckets.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.load.journal import JournalEntry, Phase
from conformance.load.mix import RequestKind
from conformance.load.shapes import HOLD, SETTLE_SECONDS

# Buckets grow by 2 %, from 10 µs on.
_FIRST, _WIDTH = 1e-5, math.log(1.02)
_POINTS = 240
_TEXTS = 6
ERROR_SHARE = 0.001
"""The share of requests that may fail in a run that meets its objective."""


class Histogram:
    """A sparse histogram of durations in seconds; quantiles are accurate to 2 %.

    HdrHistogram (PyPI `hdrhistogram` 0.10.8) meets the same tests of accuracy, but has no wheel for Linux on
    ARM and for Macs with Intel processors, where `clickport-conformance[load]` would need a C compiler. It
    replaces no line but the arithmetic of buckets. A second of 500 requests takes 11 KB in it and 8 KB here.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[max(0, math.ceil(math.log(max(seconds, _FIRST) / _FIRST) / _WIDTH))] += 1
        self.most = max(self.most, seconds)

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another histogram."""
        self._counts.update(other._counts)
        self.most = max(self.most, other.most)

    def quantile(self, share: float) -> float | None:
        """Return the duration that ``share`` (0 to 1) of all durations do not exceed; None if empty."""
        left = share * self._counts.total()
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(_FIRST * math.exp(bucket * _WIDTH), self.most)
        return None

    def summary(self) -> dict[str, float | None]:
        """Return ``p50_ms``, ``p95_ms``, ``p99_ms`` and ``max_ms``; each None if the histogram is empty."""
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        quantiles = {f"{name}_ms": _milliseconds(self.quantile(share)) for name, share in shares.items()}
        return {**quantiles, "max_ms": _milliseconds(self.most if self._counts else None)}


@dataclass
class Second:
    """Counts of the requests due in one second, and the observations made in it.

    ``latency`` is measured from the time a request was due, ``visible`` from its acknowledgement to its row.
    ``backlog`` is a number of events, ``memory`` is in megabytes; None if not observed.
    """

    due: int = 0
    acknowledged: int = 0
    errors: int = 0
    latency: Histogram = field(default_factory=Histogram)
    visible: Histogram = field(default_factory=Histogram)
    backlog: float | None = None
    memory: float | None = None

    def merge(self, other: "Second") -> None:
        """Add the counts of another second; keep the larger backlog and memory."""
        self.due += other.due
        self.acknowledged += other.acknowledged
        self.errors += other.errors
        self.latency.merge(other.latency)
        self.visible.merge(other.visible)
        self.backlog = other.backlog if self.backlog is None else max(self.backlog, other.backlog or 0)
        self.memory = other.memory if self.memory is None else max(self.memory, other.memory or 0)


class Figures:
    """Figures collected from answers and observations."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last = 0.0
        self.seconds: dict[int, Second] = {}
        self.statuses: Counter[str] = Counter()
        self.service = Histogram()
        self._texts: dict[str, None] = {}

    def at(self, moment: float) -> Second:
        """Return the second of a time of ``clock``; before the first request, one that is not kept."""
        if self._start is None:
            return Second()
        return self.seconds.setdefault(self.number(moment), Second())

    def number(self, moment: float) -> int:
        """Return the index of the second; 0 is the one in which the first request was due."""
        return max(0, int(moment - (self._start or moment)))

    def answered(self, answer: JournalEntry) -> None:
        """Count one request."""
        self._start = self._start or answer.due
        self._last = max(self._last, answer.due)
        second = self.at(answer.due)
        second.due += 1
        second.errors += not answer.expected
        second.acknowledged += answer.acknowledged and answer.kind is not RequestKind.MALFORMED
        second.latency.add(answer.done - answer.due)
        self.service.add(answer.done - answer.sent)
        self.statuses[f"{answer.status or 'no answer'}"] += 1
        if answer.text and len(self._texts) < _TEXTS:
            self._texts[f"{answer.kind.name.lower()} {answer.status or 'no answer'}: {answer.text}"] = None

    def between(self, start: float, end: float) -> Second:
        """Return the sum of the seconds that lie entirely between two times of ``clock``."""
        zero = self._start or start
        return _merged(
            second for n, second in self.seconds.items() if start <= zero + n and zero + n + 1 <= end
        )

    def total(self) -> Second:
        """Return the sum of all seconds of the run."""
        return _merged(self.seconds.values())

    def sustained(self, phases: Sequence[Phase], objective: float) -> dict[str, Any] | None:
        """Return the rate that a ramp held at its end, with its p95; None if it ended without a hold.

        ``met`` is True if p95 is at most ``objective`` seconds and errors are at most ``ERROR_SHARE``.
        """
        if not phases or phases[-1].name != HOLD:
            return None
        last = phases[-1]
        zero = self._start or self._last
        seconds = len(range(math.ceil(last.start + SETTLE_SECONDS - zero), math.floor(self._last - zero)))
        held = self.between(last.start + SETTLE_SECONDS, self._last)
        p95 = held.latency.quantile(0.95)
        met = p95 is not None and p95 <= objective and held.errors <= ERROR_SHARE * held.due
        rate = held.due / seconds if seconds else 0.0
        return {"rate": round(rate, 1), "p95_ms": _milliseconds(p95), "seconds": seconds, "met": met}

    def report(self) -> dict[str, Any]:
        """Return totals, and series of at most 240 points, as plain data."""
        whole = self.total()
        seconds = self._last - (self._start or self._last)
        memory = [second.memory for _, second in sorted(self.seconds.items()) if second.memory is not None]
        backlog = [second.backlog for _, second in sorted(self.seconds.items()) if second.backlog is not None]
        return {
            "requests": whole.due,
            "errors": whole.errors,
            "a_second": round(whole.due / seconds, 1) if seconds else 0.0,
            "statuses": dict(self.statuses.most_common()),
            "texts": list(self._texts),
            "latency": whole.latency.summary(),
            "service": self.service.summary(),
            "visibility": whole.visible.summary(),
            "backlog": {"max": max(backlog), "end": backlog[-1]} if backlog else None,
            "memory_mb": {"first": memory[0], "last": memory[-1], "max": max(memory)} if memory else None,
            "series": self._series(max(self.seconds, default=0) + 1),
        }

    def _series(self, length: int) -> dict[str, Any]:
        step = math.ceil(length / _POINTS)
        points = [
            _merged(self.seconds[i] for i in range(start, start + step) if i in self.seconds)
            for start in range(0, length, step)
        ]
        # The last second is incomplete: its rates would be too low.
        whole = int((self._last - (self._start or self._last)) / step)
        rates: Mapping[str, Any] = {
            name: [
                round(getattr(point, name) / step, 4) if number < max(whole, 1) else None
                for number, point in enumerate(points)
            ]
            for name in ("due", "acknowledged", "errors")
        }
        latency = {
            f"p{share}_ms": [_milliseconds(point.latency.quantile(share / 100)) for point in points]
            for share in (50, 95, 99)
        }
        visible = {
            "visible_p50_ms": [_milliseconds(point.visible.quantile(0.5)) for point in points],
            "visible_max_ms": [_milliseconds(point.visible.most or None) for point in points],
        }
        backlog = {"backlog": [p.backlog for p in points], "memory_mb": [p.memory for p in points]}
        return {"step_s": step, **rates, **latency, **visible, **backlog}


def _merged(seconds: Iterable[Second]) -> Second:
    whole = Second()
    for second in seconds:
        whole.merge(second)
    return whole


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3 if seconds < 0.01 else 1)
