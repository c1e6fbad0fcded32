"""The shapes of a load: the requests a second that are due at each time. Pure; asked once a second."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

STEP_SECONDS = 5.0
SETTLE_SECONDS = 2.0
"""The seconds after a change of the rate that are not judged: connections open, late requests drain."""
HOLD = "hold"
"""The name of the phase in which a ramp holds the rate that it has found."""

_GROWTH, _RETREAT, _CLOSE = 1.3, 0.9, 1.1
_SPIKE = 5.0
_SEARCH = 0.6


@dataclass(frozen=True, kw_only=True)
class HeldRate:
    """Measurements since the last change of the rate; ``p95`` is in seconds."""

    p95: float
    errors: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class Want:
    """A wanted rate, in requests a second, and the name of its phase."""

    rate: float
    phase: str


class Shape(Protocol):
    """A rate over time."""

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:
        """Return the rate at ``seconds`` since the start; None ends the run.

        ``seen`` returns the measurements since the last change of the rate.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One rate until the time is up; used for a soak, too."""

    rate: float
    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """Return the constant rate."""
        return Want(rate=self.rate, phase="constant") if seconds < self.seconds else None


@dataclass(frozen=True, kw_only=True)
class Spike:
    """The rate, with five times the rate in the middle fifth of the time."""

    rate: float
    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """Return the rate, or five times the rate during the spike."""
        share = seconds / self.seconds
        if share >= 1:
            return None
        spike = 0.4 <= share < 0.6
        return Want(rate=self.rate * (_SPIKE if spike else 1), phase="spike" if spike else "around it")


@dataclass(kw_only=True)
class Ramp:
    """A search for the highest rate that meets the objective, then a hold at that rate.

    Steps of 5 s climb by a factor of 1.3 until p95 or errors break the objective. A step that breaks it is
    repeated once, because another load on the machine may be the cause. The search then narrows the interval
    between the best rate that met the objective and the lowest that did not, by their geometric mean, until
    they differ by 10 % or 60 % of the time is used. The best rate is held for the rest of the time; each
    failed hold lowers the rate by 10 %. The rate held at the end is the sustained maximum.
    """

    rate: float
    seconds: float
    objective: float
    errors: float = 0.001
    _began: float = field(default=0.0, init=False)
    _phase: str = field(default="step", init=False)
    _good: float = field(default=0.0, init=False)
    _bad: float = field(default=math.inf, init=False)

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:
        """Return the rate of the current step or hold."""
        if seconds >= self.seconds:
            return None
        if seconds - self._began >= STEP_SECONDS:
            self._judge(seconds, seen())
        return Want(rate=self.rate, phase=self._phase)

    def _judge(self, seconds: float, seen: HeldRate) -> None:
        fine = bool(seen.requests) and seen.p95 <= self.objective
        fine = fine and seen.errors <= self.errors * seen.requests
        if self._phase == HOLD and fine:
            return
        self._began = seconds
        if self._phase == HOLD:
            self.rate *= _RETREAT
        elif not fine and self._phase == "step":
            self._phase = "again"
        else:
            self._next(seconds, fine)

    def _next(self, seconds: float, fine: bool) -> None:
        """Choose the next rate after a step that counts, or begin the hold."""
        self._phase = "step"
        if fine:
            self._good = max(self._good, self.rate)
        else:
            self._bad = min(self._bad, self.rate)
        narrowed = self._good and self._bad <= self._good * _CLOSE
        if narrowed or seconds >= _SEARCH * self.seconds:
            self._phase, self.rate = HOLD, self._good or self.rate * _RETREAT
        elif not self._good:
            self.rate /= 2
        else:
            self.rate = min(self._good * _GROWTH, math.sqrt(self._good * self._bad))


@dataclass(frozen=True, kw_only=True)
class Flood:
    """A closed model: a fixed number of senders, each sending as soon as it is answered."""

    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """Return a rate of 0, which stands for "no schedule"."""
        return Want(rate=0.0, phase="flood") if seconds < self.seconds else None


SHAPES: Mapping[str, str] = {
    "constant": "the rate until the time is up",
    "ramp": "from the rate upwards until the objective breaks, then the highest rate that can be held",
    "spike": "the rate, with five times the rate in the middle",
    "soak": "the rate for an hour, unless --for is given",
    "flood": "as fast as the server answers: each sender waits for its answer, then sends again",
}


def shape(name: str, *, rate: float, seconds: float, objective: float) -> Shape:
    """Return the shape called ``name``; ``objective`` is a p95 in seconds. Raises KeyError."""
    match name:
        case "constant" | "soak":
            return Constant(rate=rate, seconds=seconds)
        case "spike":
            return Spike(rate=rate, seconds=seconds)
        case "ramp":
            return Ramp(rate=rate, seconds=seconds, objective=objective)
        case "flood":
            return Flood(seconds=seconds)
    raise KeyError(name)
