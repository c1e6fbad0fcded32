"""One search per lane for all of its properties; each property is a case with its part of the result."""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from conformance.drivers.expectations import NO_READBACK
from conformance.drivers.pairs import joined
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.harness.run_context import RunContext
from conformance.protocol.outcomes import LeftOut, NotTestable, Violation
from conformance.protocol.requirements import Lane
from conformance.results import counterexamples
from conformance.search.budget import Budget
from conformance.search.condition_base import Condition
from conformance.search.conditions import CONDITIONS
from conformance.search.engine import Executor, Exploration, Finding, explore, id_of, replay
from conformance.search.executors import PairExecutor, ServerExecutor, TrackerExecutor, example_of

# Examples in each round of a search by time (--fuzz-seconds); each round has its own seed.
_ROUND = 500
_REPORT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The result of a lane's search; ``readback`` is True if rows could be read."""

    exploration: Exploration
    readback: bool


def search(instruments: Instruments, lane: Lane, engine: str | None) -> Searched:
    """Replay the known counterexamples, then generate examples up to the number or the time configured."""
    options = instruments.setup.options
    names = {case.id.partition("/")[2] for case in instruments.selected(lane)}
    conditions = {id_: condition for id_, condition in CONDITIONS[lane].items() if id_ in names}
    known = {
        kept.id: kept for kept in counterexamples.read(Path(options.counterexamples)) if kept.lane is lane
    }
    found = Exploration()
    drawing = options.max_examples or options.fuzz_seconds
    if not known and not drawing:
        return Searched(exploration=found, readback=instruments.readback is not None)
    budget = _budget(instruments.setup)
    with ExitStack() as stack:
        executor = _executor(instruments, lane, engine, stack)
        before = [example_of(lane, kept.example) for kept in known.values()]
        if not options.fuzz_seconds:
            replay(executor, conditions, before, found)
            if drawing:
                explore(
                    executor,
                    conditions,
                    found,
                    start=options.seed,
                    max_examples=options.max_examples,
                    budget=budget,
                )
        elif not instruments.search_ended:
            try:
                replay(executor, conditions, before, found)
                explore_for(
                    executor,
                    conditions,
                    found,
                    seconds=options.fuzz_seconds,
                    first_seed=options.seed,
                    budget=budget,
                )
            except KeyboardInterrupt:
                # Ctrl-C is how a search by time is ended early; its findings are reported all the same.
                instruments.search_ended = True
                sys.stderr.write("the search was interrupted; its findings so far are reported\n")
    return Searched(exploration=found, readback=instruments.readback is not None)


def conclude(instruments: Instruments, evidence: Evidence, searched: Searched) -> None:
    """Record the search's result for one property. Raises Violation, NotTestable or LeftOut."""
    found, id_ = searched.exploration, evidence.case.id.partition("/")[2]
    requirement = evidence.case.requirement
    evidence.fuzzed = {
        "examples": found.examples,
        "examined": found.examined[id_],
        "seconds": round(found.seconds, 2),
        "a_second": round(found.rate, 1),
    }
    evidence.cured = tuple(id_of(requirement, identity) for identity in found.cured.get(id_, ()))
    if findings := found.findings.get(id_):
        known = {entry.case for entry in instruments.setup.options.known}
        # New counterexamples come before known ones.
        worst = min(findings, key=lambda finding: (finding.id(requirement) in known, finding.seen.size))
        _show(evidence, worst)
        raise Violation(f"{worst.text} ({_how(worst)})")
    if (
        not found.examples
        and not (options := instruments.setup.options).max_examples
        and not options.fuzz_seconds
    ):
        raise LeftOut("drawing is switched off by --max-examples 0")
    if not found.examined[id_]:
        if not searched.readback and evidence.case.lane is Lane.SERVER:
            raise NotTestable(NO_READBACK)
        raise NotTestable(f"none of {found.examples} examples bore on this property: raise --max-examples")


def _show(evidence: Evidence, finding: Finding) -> None:
    evidence.sent, evidence.received, evidence.stored = (
        finding.seen.sent(),
        finding.seen.received(),
        finding.seen.stored(),
    )
    evidence.counterexample = finding.id(evidence.case.requirement)
    evidence.example = finding.seen.example.to_json()


def _how(finding: Finding) -> str:
    if not finding.tries:
        cut_short = "not shrunk, for --shrink-seconds are used up"
        return f"found by example {finding.first}; {cut_short}" if finding.cut_short else "found before"
    if not finding.again:
        return f"found by example {finding.first}; it did not happen again when repeated"
    how = f"found by example {finding.first}, shrunk in {finding.tries} tries and {finding.seconds:.1f} s"
    return f"{how}, which is as far as --shrink-seconds went" if finding.cut_short else how


def _executor(instruments: Instruments, lane: Lane, engine: str | None, stack: ExitStack) -> Executor:
    if lane is Lane.SERVER:
        return stack.enter_context(closing(ServerExecutor(instruments)))
    assert engine
    if lane is Lane.PAIR:
        stack.enter_context(joined(instruments))
        return PairExecutor(instruments, engine)
    return TrackerExecutor(instruments, engine)


def _budget(setup: RunContext) -> Budget:
    """Return what this search may take to shrink: a share of the run's ``--shrink-seconds``."""
    places = {Lane.SERVER: 1, Lane.TRACKER: len(setup.browsers), Lane.PAIR: len(setup.browsers)}
    searches = sum(places.get(lane, 0) for lane in setup.options.lanes)
    ledger = Path(setup.shrinking) if setup.shrinking else None
    return Budget(setup.options.shrink_seconds, ledger=ledger, searches=searches)


def explore_for(
    executor: Executor,
    conditions: Mapping[str, Condition],
    found: Exploration,
    *,
    seconds: float,
    first_seed: int,
    budget: Budget,
) -> None:
    """Search in rounds, each with the next seed, until the time is up; print the progress.

    At least one batch of examples is tried, however long a busy machine takes to draw it.
    """
    began = reported = time.monotonic()
    end = began + seconds

    def report(exploration: Exploration) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported > _REPORT_SECONDS:
            reported = now
            left = max(end - now, 0)
            sys.stderr.write(
                f"{exploration.examples} examples, {exploration.examples / (now - began):.0f} a second, "
                f"{len(exploration.findings)} properties broken; {left:.0f} s to go\n"
            )

    before = found.examples

    def enough() -> bool:
        return found.examples > before and time.monotonic() >= end

    for start in count(first_seed):
        if executor.silent or (start > first_seed and time.monotonic() >= end):
            return
        explore(
            executor,
            conditions,
            found,
            start=start,
            max_examples=_ROUND,
            budget=budget,
            on_batch=report,
            enough=enough,
        )
