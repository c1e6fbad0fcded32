"""The search: it finds and shrinks counterexamples, and repeats itself with the same seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st

from conformance.protocol.outcomes import TargetUnavailable, Violation
from conformance.search.bodies import Body
from conformance.search.budget import Budget
from conformance.search.drawn_cases import explore_for
from conformance.search.engine import Exploration, explore, id_of, replay
from conformance.search.observation import Observation

NUMBERS = st.integers(0, 1000).map(lambda number: Body(str(number).encode()))


@dataclass
class Desk:
    """Executor without an implementation: it observes the examples themselves."""

    strategy: st.SearchStrategy[Any] = field(default_factory=lambda: NUMBERS)
    batch: int = 7
    silent: bool = False
    performed: list[Any] = field(default_factory=list)
    together: bool = False

    def observe(self, examples: Sequence[Any]) -> list[Observation]:
        """Keep the examples and return them."""
        self.performed += examples
        return [Observation(example=example, token="t") for example in examples]


def below(limit: int) -> Callable[[Observation], bool]:
    """Return a condition that numbers from ``limit`` on violate."""

    def condition(seen: Observation) -> bool:
        if int(seen.body.data) >= limit:
            raise Violation(f"{limit} or more")
        return True

    return condition


def searched(desk: Desk, **limits: int) -> Exploration:
    """Run a search of 100 examples with seed 1."""
    found = Exploration()
    explore(desk, {id_: below(limit) for id_, limit in limits.items()}, found, start=1, max_examples=100)
    return found


def test_the_smallest_counterexample_is_found() -> None:
    """Counterexamples are shrunk to the limit, for each condition separately."""
    found = searched(Desk(), low=17, high=300)
    assert {id_: [f.seen.body.data for f in own] for id_, own in found.findings.items()} == {
        "low": [b"17"],
        "high": [b"300"],
    }


def test_the_same_seed_draws_the_same() -> None:
    """Two searches with the same seed perform the same examples and find the same counterexamples."""
    first, second = Desk(), Desk()
    assert [f.id("X-1") for f in searched(first, low=17).findings["low"]] == [
        f.id("X-1") for f in searched(second, low=17).findings["low"]
    ]
    assert first.performed == second.performed


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """Without a fault there is no counterexample, and every example was examined."""
    found = searched(Desk(), none=10_000)
    assert (found.findings, found.examples, found.examined["none"]) == ({}, 100, 100)


def test_what_was_found_before_is_tried_first() -> None:
    """A stored counterexample is performed first; it is found again while it fails, and cured after that."""
    desk, found = Desk(), Exploration()
    replay(desk, {"low": below(17), "high": below(300)}, [Body(b"20")], found)
    assert [f.seen.body.data for f in found.findings["low"]] == [b"20"]
    assert found.cured == {"high": ['{"body": "20"}']}


def test_a_fault_that_is_not_reproduced_is_kept() -> None:
    """A counterexample that cannot be reproduced is kept, with a remark about that."""
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
    """If nothing comes back, the search ends after one batch, without shrinking."""
    desk, found = Desk(silent=True), Exploration()
    explore(desk, {"low": below(0)}, found, start=1, max_examples=100)
    assert found.examples <= desk.batch


def test_a_search_ends_with_the_batch_in_which_its_time_is_up() -> None:
    """When its time is up, a search ends with the current batch and keeps its counterexamples."""
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


def test_a_search_by_time_tries_one_batch_at_least() -> None:
    """Drawing the first example may take longer than the whole search, on a busy machine for seconds."""
    desk, found = Desk(), Exploration()
    explore_for(desk, {"low": below(0)}, found, seconds=0, first_seed=1, budget=Budget(0))
    assert found.examples == desk.batch
    assert found.findings["low"]


def test_what_cannot_be_helped_is_raised_once() -> None:
    """If the target becomes unavailable, the search raises that error instead of its own."""

    class Gone(Desk):
        def observe(self, examples: Sequence[Any]) -> list[Observation]:
            raise TargetUnavailable(f"gone before {examples[0]}")

    with pytest.raises(TargetUnavailable, match="gone"):
        explore(Gone(), {"low": below(1)}, Exploration(), start=1, max_examples=100)


def test_an_example_is_not_blamed_for_its_company() -> None:
    """Of examples performed together, only those that violate a condition alone as well are findings."""

    class Shared(Desk):
        def observe(self, examples: Sequence[Any]) -> list[Observation]:
            self.performed.append(len(examples))
            token = "company" if len(examples) > 1 else "alone"
            return [Observation(example=example, token=token) for example in examples]

    def company(seen: Observation) -> bool:
        if seen.token == "company":
            raise Violation("only in company")
        return True

    desk, found = Shared(together=True), Exploration()
    conditions = {"company": company, "high": below(300)}
    explore(desk, conditions, found, start=1, max_examples=100)
    assert [f.seen.body.data for f in found.findings["high"]] == [b"300"]
    assert (list(found.findings), found.examples) == (["high"], 100)
    assert max(desk.performed) == desk.batch


def test_an_id_depends_on_nothing_but_the_example() -> None:
    """The id is the same on every machine: the first digits of the SHA-256 of the stored example."""
    assert id_of("PROP-3", '{"body": "20"}') == "PROP-3#cce1"
