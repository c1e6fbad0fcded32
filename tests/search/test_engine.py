"""The search: finds what breaks a condition, shrinks it, and does the same again from the same seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st

from conformance.protocol.outcomes import TargetUnavailable, Violation
from conformance.search.bodies import Body
from conformance.search.engine import Exploration, explore, id_of, replay
from conformance.search.observation import Observation

NUMBERS = st.integers(0, 1000).map(lambda number: Body(str(number).encode()))


@dataclass
class Desk:
    """A lab without any implementation: what is performed is seen as it is."""

    strategy: st.SearchStrategy[Any] = field(default_factory=lambda: NUMBERS)
    batch: int = 7
    silent: bool = False
    performed: list[Any] = field(default_factory=list)
    waiting: list[Observation] = field(default_factory=list)

    def perform(self, example: Any) -> None:
        """Keep the example."""
        self.performed.append(example)
        self.waiting.append(Observation(example=example, token="t"))

    def collect(self) -> list[Observation]:
        """Everything performed since the last time."""
        seen, self.waiting = self.waiting, []
        return seen


def below(limit: int) -> Callable[[Observation], bool]:
    """A condition that numbers of ``limit`` and more break."""

    def condition(seen: Observation) -> bool:
        if int(seen.body.data) >= limit:
            raise Violation(f"{limit} or more")
        return True

    return condition


def searched(desk: Desk, **limits: int) -> Exploration:
    """A search of 100 examples from seed 1."""
    found = Exploration()
    explore(desk, {id_: below(limit) for id_, limit in limits.items()}, found, start=1, max_examples=100)
    return found


def test_the_smallest_counterexample_is_found() -> None:
    """What breaks a condition is shrunk to the edge, each condition on its own."""
    found = searched(Desk(), low=17, high=300)
    assert {id_: [f.seen.body.data for f in own] for id_, own in found.findings.items()} == {
        "low": [b"17"],
        "high": [b"300"],
    }


def test_the_same_seed_draws_the_same() -> None:
    """Two searches from one seed perform the same examples and end with the same finds."""
    first, second = Desk(), Desk()
    assert [f.id("X-1") for f in searched(first, low=17).findings["low"]] == [
        f.id("X-1") for f in searched(second, low=17).findings["low"]
    ]
    assert first.performed == second.performed


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """Without a fault there is no find, and every example has been looked at."""
    found = searched(Desk(), none=10_000)
    assert (found.findings, found.examples, found.examined["none"]) == ({}, 100, 100)


def test_what_was_found_before_is_tried_first() -> None:
    """A known counterexample is the first thing performed; it is a find while it fails, and cured after."""
    desk, found = Desk(), Exploration()
    replay(desk, {"low": below(17), "high": below(300)}, [Body(b"20")], found)
    assert [f.seen.body.data for f in found.findings["low"]] == [b"20"]
    assert found.cured == {"high": ['{"body": "20"}']}


def test_a_fault_that_does_not_happen_again_is_told() -> None:
    """What was seen once stays a find, and says that trying it again showed nothing."""
    times = 0

    def once(seen: Observation) -> bool:
        nonlocal times
        times += int(seen.body.data) > 500
        if times == 1 and int(seen.body.data) > 500:
            raise Violation("once")
        return True

    found = Exploration()
    explore(Desk(), {"flaky": once}, found, start=1, max_examples=100)
    [finding] = found.findings["flaky"]
    assert (finding.text, finding.again) == ("once", False)


def test_a_dead_target_is_not_searched_for_long() -> None:
    """Where nothing at all comes back, one batch is enough, and nothing is shrunk."""
    desk, found = Desk(silent=True), Exploration()
    explore(desk, {"low": below(0)}, found, start=1, max_examples=100)
    assert found.examples <= desk.batch


def test_a_search_ends_with_the_batch_in_which_its_time_is_up() -> None:
    """What is asked for in minutes is not drawn to the end of a round, and what it found stays."""
    desk, found = Desk(), Exploration()
    explore(
        desk,
        {"low": below(0)},
        found,
        start=1,
        max_examples=100,
        enough=lambda: found.examples >= 2 * desk.batch,
    )
    assert found.examples == 2 * desk.batch
    assert found.findings["low"]


def test_what_cannot_be_helped_is_raised_once() -> None:
    """A target that is gone ends the search with its own error, not with one of the search."""

    class Gone(Desk):
        def collect(self) -> list[Observation]:
            raise TargetUnavailable("gone")

    with pytest.raises(TargetUnavailable, match="gone"):
        explore(Gone(), {"low": below(1)}, Exploration(), start=1, max_examples=100)


def test_an_id_depends_on_nothing_but_the_example() -> None:
    """The id is the same in every run and on every machine: the start of the SHA-256 of what is kept."""
    assert id_of("PROP-3", '{"body": "20"}') == "PROP-3#cce1"
