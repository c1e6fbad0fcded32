"""Generate examples, perform them, check the conditions, and shrink examples that violate one.

Examples are performed in batches, because rows take a while to appear. So the first pass only collects
violations; then the first example to violate each condition is shrunk on its own (``shrink.py``).
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import SearchStrategy

from conformance.protocol.outcomes import Violation
from conformance.search.budget import Budget
from conformance.search.condition_base import Condition
from conformance.search.observation import Example, Observation
from conformance.search.shrink import smallest

# A limit in tries gives the same example on busy and idle machines; one in time bounds slow timeouts.
_SHRINK_TRIES = 500
_SHRINK_SECONDS = 60.0
_MOST_FINDINGS = 3


class Executor(Protocol):
    """Performs examples of a lane.

    ``batch`` is the number of examples to perform at a time, and ``together`` is True if those of a batch may
    affect each other: what they violate is then repeated alone. ``silent`` is True if the last batch left
    nothing at all, so that more examples would show nothing new.
    """

    strategy: SearchStrategy[Any]
    batch: int
    together: bool
    silent: bool

    def observe(self, examples: Sequence[Example]) -> list[Observation]:
        """Make the calls, or post the requests; return their observations in order.

        They are fewer than the examples if the executor has given up.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The smallest example found that violates a condition; ``first`` is the number of the first one.

    ``again``: the first example violated the condition when repeated. ``cut_short``: shrinking ran out of
    tries or time.
    """

    seen: Observation
    text: str
    first: int
    tries: int = 0
    seconds: float = 0.0
    again: bool = True
    cut_short: bool = False

    def id(self, requirement: str) -> str:
        """Return the counterexample's id."""
        return id_of(requirement, self.seen.example.identity)


def id_of(requirement: str, identity: str) -> str:
    """Return the stable id of an example that violates a requirement, such as PROP-3#c3f1."""
    return f"{requirement}#{sha256(identity.encode()).hexdigest()[:4]}"


@dataclass(kw_only=True)
class Exploration:
    """Result of a search. ``examined`` counts, by condition, the examples to which it applied.

    ``cured`` lists, by condition, the identities of known counterexamples that no longer violate it.
    """

    examples: int = 0
    seconds: float = 0.0
    examined: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    cured: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Examples a second, without shrinking."""
        return self.examples / self.seconds if self.seconds else 0.0

    def note(self, conditions: Mapping[str, Condition], seen: Observation) -> dict[str, str]:
        """Check the conditions on one example; return the texts of its violations by condition."""
        self.examples += 1
        broken = {}
        for id_, condition in conditions.items():
            examined, text = judged(condition, seen)
            self.examined[id_] += examined
            if text:
                broken[id_] = text
        return broken


def judged(condition: Condition, seen: Observation) -> tuple[bool, str]:
    """Return (applicable, violation text or "")."""
    try:
        return condition(seen), ""
    except Violation as violation:
        return True, str(violation)


def replay(
    executor: Executor, conditions: Mapping[str, Condition], known: Iterable[Example], found: Exploration
) -> None:
    """Perform known counterexamples, and record them as findings or as cured."""
    for seen in _observed(executor, list(known), conditions):
        broken = found.note(conditions, seen)
        for id_ in conditions:
            if id_ in broken:
                finding = Finding(seen=seen, text=broken[id_], first=found.examples)
                found.findings.setdefault(id_, []).append(finding)
            else:
                found.cured.setdefault(id_, []).append(seen.example.identity)


def explore(
    executor: Executor,
    conditions: Mapping[str, Condition],
    found: Exploration,
    *,
    start: int,
    max_examples: int,
    budget: Budget | None = None,
    on_batch: Callable[[Exploration], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Generate ``max_examples`` from the seed ``start``, and shrink those that violate a condition anew.

    ``enough`` is asked before each batch; once it returns True, generation ends. The same seed generates the
    same examples on every machine with the same version of Hypothesis. If the search is interrupted,
    ``found`` holds the findings until then, not shrunk.
    """
    broken: dict[str, Finding] = {}
    pending: list[Example] = []
    failures: list[Exception] = []
    began = time.monotonic()

    def flush() -> None:
        for seen in _observed(executor, pending, conditions):
            for id_, text in found.note(conditions, seen).items():
                if id_ not in broken and _is_new(found.findings.get(id_, ()), text):
                    broken[id_] = Finding(seen=seen, text=text, first=found.examples)
                    found.findings.setdefault(id_, []).append(broken[id_])
        pending.clear()
        on_batch(found)

    def collect(example: Example) -> None:
        if failures or executor.silent:
            return
        if not pending and enough():
            raise _Enough
        pending.append(example)
        if len(pending) >= executor.batch:
            try:
                flush()
            except Exception as error:  # Hypothesis would repeat the example; raised below.
                failures.append(error)

    try:
        with suppress(_Enough):
            _draw(executor.strategy, collect, start, max_examples)
        if failures:
            raise failures[0]
        flush()
    finally:
        found.seconds += time.monotonic() - began
    if executor.silent:
        return
    purse = budget or Budget(_SHRINK_SECONDS)
    for number, (id_, finding) in enumerate(broken.items()):
        least = _shrunk(executor, conditions[id_], finding, purse, share=1 / (len(broken) - number))
        others = found.findings[id_][:-1]
        known = {other.seen.example.identity for other in others}
        found.findings[id_] = others if least.seen.example.identity in known else [*others, least]


class _Enough(Exception):
    """Ends generation: Hypothesis repeats the example once, then lets the exception through."""


def _is_new(findings: Sequence[Finding], text: str) -> bool:
    """Return True if a finding is worth shrinking: a new message, and fewer than 3 of its condition."""
    return len(findings) < _MOST_FINDINGS and all(finding.text != text for finding in findings)


def _observed(
    executor: Executor, examples: Sequence[Example], conditions: Mapping[str, Condition]
) -> Iterator[Observation]:
    """Observe a batch; an example that violates a condition in company is observed again, alone."""
    for seen in executor.observe(examples):
        suspect = executor.together and not executor.silent and len(examples) > 1
        if suspect and any(text for _, text in (judged(each, seen) for each in conditions.values())):
            yield from executor.observe([seen.example])
        else:
            yield seen


def _draw(strategy: SearchStrategy[Any], test: Callable[[Any], None], start: int, max_examples: int) -> None:
    """Run a test on the examples that the seed generates."""

    @seed(start)
    @settings(
        max_examples=max_examples,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example: Any) -> None:
        test(example)

    with _hypothesis_elsewhere():
        run()


@contextmanager
def _hypothesis_elsewhere() -> Iterator[None]:
    """Keep Hypothesis's tables in a temporary folder, not in ``.hypothesis`` of the working directory."""
    with tempfile.TemporaryDirectory(prefix="clickport-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


def _shrunk(
    executor: Executor, condition: Condition, finding: Finding, budget: Budget, *, share: float
) -> Finding:
    """Return the finding with the smallest example, within ``share`` (0 to 1) of the budget."""
    best = (finding.seen, finding.text)
    tries, cut_short = 0, False
    began, seconds = time.monotonic(), budget.left * share

    def breaks(example: Example) -> bool | None:
        nonlocal best, tries, cut_short
        cut_short = tries >= _SHRINK_TRIES or time.monotonic() - began >= seconds or budget.left <= 0
        if cut_short:
            return None
        tries += 1
        with budget.spent():
            performed = executor.observe([example])
        if not performed:  # The executor has given up.
            cut_short = True
            return None
        [seen] = performed
        _, text = judged(condition, seen)
        if text:
            best = (seen, text)
        return bool(text)

    again = breaks(finding.seen.example)
    if again:
        smallest(finding.seen.example, breaks)
    return Finding(
        seen=best[0],
        text=best[1],
        first=finding.first,
        tries=tries,
        seconds=time.monotonic() - began,
        again=again is not False,
        cut_short=cut_short,
    )
