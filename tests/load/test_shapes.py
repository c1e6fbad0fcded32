"""Rates over time: constant, spike, and the ramp that finds the sustained rate."""

import pytest

from conformance.load.plan import LoadPlan, RemoteTarget, require_local, seconds_of
from conformance.load.shapes import SHAPES, Constant, HeldRate, Ramp, Spike, shape


def nothing() -> HeldRate:
    """Return no measurement."""
    raise AssertionError("this shape looks at nothing")


def climb(capacity: float, *, seconds: float = 120.0, rate: float = 100.0) -> list[tuple[float, str]]:
    """Run a ramp against a server that is fast up to a capacity; return rate and phase by second."""
    ramp = Ramp(rate=rate, seconds=seconds, objective=0.05)

    def seen() -> HeldRate:
        return HeldRate(p95=0.01 if ramp.rate <= capacity else 2.0, errors=0, requests=1000)

    found: list[tuple[float, str]] = []
    while want := ramp.want(len(found), seen):
        found.append((want.rate, want.phase))
    return found


def test_constant() -> None:
    """The rate is constant until the end."""
    steady = Constant(rate=5, seconds=3)
    wants = [steady.want(second, nothing) for second in (0, 2.9, 3)]
    assert [want and want.rate for want in wants] == [5, 5, None]


def test_spike() -> None:
    """The rate is fivefold in the middle fifth."""
    wants = [Spike(rate=10, seconds=100).want(second, nothing) for second in (0, 39, 40, 59, 60, 100)]
    assert [want and want.rate for want in wants] == [10, 10, 50, 50, 10, None]


def test_ramp_finds_the_knee() -> None:
    """Steps of 1.3 until a rate fails twice, bisection, then the best rate until the end."""
    found = climb(250)
    assert list(dict.fromkeys(rate for rate, _ in found)) == pytest.approx(
        [100, 130, 169, 219.7, 285.61, 250.5, 234.6], rel=0.001
    )
    assert [rate for rate, phase in found if phase == "again"] == pytest.approx(
        [285.61] * 5 + [250.5] * 5, 0.001
    )
    assert (found[-1][1], len(found)) == ("hold", 120)
    assert found[-1][0] == pytest.approx(234.6, rel=0.001)


def test_one_bad_step_is_tried_again() -> None:
    """A single bad step is repeated, because the machine may have been busy for a moment."""
    ramp = Ramp(rate=100, seconds=120, objective=0.05)
    outcomes = iter([2.0, 0.01, 0.01])
    wants = [
        ramp.want(second, lambda: HeldRate(p95=next(outcomes), errors=0, requests=1000))
        for second in (0, 5, 10, 15)
    ]
    assert [(w.rate, w.phase) for w in wants if w] == [
        (100, "step"),
        (100, "again"),
        (130, "step"),
        (169, "step"),
    ]


def test_ramp_goes_down_when_even_the_start_is_too_much() -> None:
    """The start rate is halved until a rate is good."""
    rate, phase = climb(60)[-1]
    assert phase == "hold"
    assert 50 < rate <= 60


def test_hold_that_breaks_is_lowered() -> None:
    """Each failed hold lowers the rate by 10 %."""
    ramp = Ramp(rate=100, seconds=100, objective=0.05)
    good = [True]

    def seen() -> HeldRate:
        return HeldRate(p95=0.01 if good[0] else 1.0, errors=0, requests=1000)

    for second in range(60):
        ramp.want(second, seen)
    held = ramp.want(62, seen)
    assert held
    assert held.phase == "hold"
    good[0] = False
    lowered = ramp.want(70, seen)
    assert lowered
    assert lowered.phase == "hold"
    assert lowered.rate == pytest.approx(held.rate * 0.9)


def test_ramp_leaves_time_to_hold() -> None:
    """Against a server without a limit, the climb leaves at least a third of the time for the hold."""
    found = climb(float("inf"))
    assert sum(phase == "hold" for _, phase in found) >= 40


def test_ramp_minds_errors() -> None:
    """A rate with errors is bad, even if the responses are fast."""
    ramp = Ramp(rate=100, seconds=60, objective=0.05)
    want = ramp.want(6, lambda: HeldRate(p95=0.001, errors=3, requests=1000))
    assert want
    assert (want.rate, want.phase) == (100, "again")


def test_every_shape_can_be_made() -> None:
    """Each name of the option makes a shape, and no other name does."""
    for name in SHAPES:
        assert shape(name, rate=1, seconds=1, objective=1).want(1, nothing) is None
    with pytest.raises(KeyError):
        shape("triangle", rate=1, seconds=1, objective=1)
    assert shape("soak", rate=1, seconds=1, objective=1) == Constant(rate=1, seconds=1)


@pytest.mark.parametrize(
    ("plan", "senders", "seconds"),
    [
        (LoadPlan(), 55, 60),
        (LoadPlan(rate=7), 1, 60),
        (LoadPlan(rate=550, senders=8, seconds=2), 8, 2),
        (LoadPlan(shape="flood"), 32, 10),
        (LoadPlan(shape="soak"), 55, 3600),
    ],
)
def test_plan_fills_in(plan: LoadPlan, senders: int, seconds: float) -> None:
    """Missing options follow from the shape and the rate."""
    assert (plan.first_senders, plan.duration) == (senders, seconds)


@pytest.mark.parametrize(("text", "seconds"), [("50ms", 0.05), ("90s", 90), ("1.5m", 90), ("1h", 3600)])
def test_durations(text: str, seconds: float) -> None:
    """A duration is a number and its unit."""
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "0s", "nans", "infs", "1d"])
def test_what_is_no_duration(text: str) -> None:
    """The error shows how to write a duration."""
    with pytest.raises(ValueError, match="is not a duration: write 50ms, 90s, 10m or 1h"):
        seconds_of(text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:1/api/event", "http://[::1]:80"])
def test_this_machine_may_be_loaded(url: str) -> None:
    """Every name of the loopback interface may be loaded."""
    require_local(url)


@pytest.mark.parametrize("url", ["http://192.0.2.1:8000", "http://[2001:db8::1]"])
def test_others_may_not(url: str) -> None:
    """The message about another host names the address and the way out."""
    with pytest.raises(RemoteTarget, match=r"not this machine: .* ssh -L"):
        require_local(url)
