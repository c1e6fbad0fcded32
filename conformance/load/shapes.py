"""How many requests a second are due, moment by moment. Pure; the locustfile asks once a second."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

STEP_SECONDS = 5.0
# The first moments after a change of the rate are those of new connections, and of what was late before.
SETTLE_SECONDS = 2.0
HOLD = "hold"
"""The phase of what is sustained."""

_GROWTH, _RETREAT, _CLOSE = 1.3, 0.9, 1.1
_SPIKE = 5.0
_SEARCH = 0.6


@dataclass(frozen=True, kw_only=True)
class HeldRate:
    """What came of the time since the rate was last changed: 95 % were faster than ``p95`` (seconds)."""

    p95: float
    errors: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class Want:
    """So many a second from now on; ``phase`` names the reason."""

    rate: float
    phase: str


class Shape(Protocol):
    """``want`` is asked with the seconds since the start; None ends the run."""

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:
        """Return what is wanted now; ``seen`` tells what came of the last change."""
        ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same rate until the time is up; also that of a soak, which only lasts longer."""

    rate: float
    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """The rate."""
        return Want(rate=self.rate, phase="constant") if seconds < self.seconds else None


@dataclass(frozen=True, kw_only=True)
class Spike:
    """The rate, five times the rate in the middle fifth of the time, the rate."""

    rate: float
    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """The rate, or the spike."""
        share = seconds / self.seconds
        if share >= 1:
            return None
        spike = 0.4 <= share < 0.6
        return Want(rate=self.rate * (_SPIKE if spike else 1), phase="spike" if spike else "around it")


@dataclass(kw_only=True)
class Ramp:
    """Steps of 5 s, each 1.3 times the last, until p95 or errors break the objective: the knee is passed.

    One bad step may be the machine's: it counts when it breaks again. Then the rates between the best good
    one and the least bad one are halved until they are within a tenth, and what was good is held, or nine
    tenths of it as often as it breaks: what is held at the end is the sustained maximum. At most 60 % of the
    time is searched.
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
        """The rate of this step."""
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
        """What to try after a step that counts."""
        self._phase = "step"
        if fine:
            self._good = max(self._good, self.rate)
        else:
            self._bad = min(self._bad, self.rate)
        found = self._good and self._bad <= self._good * _CLOSE
        if found or seconds >= _SEARCH * self.seconds:
            self._phase, self.rate = HOLD, self._good or self.rate * _RETREAT
        elif not self._good:
            self.rate /= 2
        else:
            self.rate = min(self._good * _GROWTH, math.sqrt(self._good * self._bad))


@dataclass(frozen=True, kw_only=True)
class Flood:
    """As many as it takes from a fixed number of senders, each waiting for its answer: a closed model."""

    seconds: float

    def want(self, seconds: float, seen: Callable[[], HeldRate]) -> Want | None:  # noqa: ARG002 - it is a Shape
        """No rate: whoever is answered sends again."""
        return Want(rate=0.0, phase="flood") if seconds < self.seconds else None


SHAPES: Mapping[str, str] = {
    "constant": "the rate until the time is up",
    "ramp": "from the rate upwards until the objective breaks, then what is sustained",
    "spike": "the rate, with five times as much in the middle",
    "soak": "the rate for an hour, unless --for says otherwise",
    "flood": "as many as it takes, each sender waiting for its answer",
}


def shape(name: str, *, rate: float, seconds: float, objective: float) -> Shape:
    """Make the shape of that name. Raises KeyError."""
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
