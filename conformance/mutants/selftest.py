"""``clickport selftest``: run the suite on each implementation, several at a time, and judge the results."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from conformance.mutants.implementations import Implementation, ImplementationKind, runs, subjects
from conformance.mutants.kept import KeptResults
from conformance.mutants.matrix import MutantResult, finding, uncovered
from conformance.mutants.trial import Trials
from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import Lane, requirements
from conformance.targets.server import reference_clickhouse


class Scope(StrEnum):
    """The cases that mutants are run against.

    WHOLE: all cases of their lanes; OWN: the vectors of their own requirement; QUICK: as OWN, in one lane.
    """

    WHOLE = "whole"
    OWN = "own"
    QUICK = "quick"


@dataclass(frozen=True, kw_only=True)
class KillMatrix:
    """The results in the order of the implementations, and the requirements without a mutant."""

    findings: tuple[MutantResult, ...]
    uncovered: tuple[str, ...]
    cases: int
    requirements: int
    scope: Scope = Scope.WHOLE

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the problems of the suite, one line each."""
        missing = (f"{id_}: it has no mutant" for id_ in self.uncovered)
        return (*(f"{f.subject.name}: {text}" for f in self.findings for text in f.problems), *missing)


def choose(only: Sequence[str], cases: Sequence[str] = ()) -> list[Implementation]:
    """Return the implementations whose name or requirement matches a glob of ``only``; all without globs.

    If ``cases`` selects cases, implementations that must fail particular cases are left out.
    """
    named = [s for s in subjects() if not only or any(_matches(s, pattern.lower()) for pattern in only)]
    return [subject for subject in named if not (cases and subject.cells)]


def selftest(
    chosen: Sequence[Implementation],
    *,
    jobs: int,
    scope: Scope,
    on_finding: Callable[[MutantResult], None],
    cases: Sequence[str] = (),
    browsers: Sequence[str] = ("chromium",),
    kept: KeptResults | None = None,
) -> KillMatrix:
    """Run the suite on the chosen implementations, ``jobs`` at a time, and return the matrix.

    ``cases`` are globs of the only cases to run; trackers run in each of ``browsers``; ``on_finding`` is
    called with each result as it is known. Implementations with a result in ``kept`` are not run, and other
    results are added to it. Raises TargetUnavailable if the reference cannot run here.
    """
    results: dict[str, MutantResult] = {}

    def note(result: MutantResult) -> None:
        results[result.subject.name] = result
        if kept and not result.kept:
            kept.keep(result)
        on_finding(result)

    with tempfile.TemporaryDirectory(prefix="clickport-selftest-") as folder, reference_clickhouse() as url:
        pool, trials = ThreadPoolExecutor(jobs), Trials(Path(folder), url)
        try:
            # The slowest first, so that no slow one runs alone at the end.
            tried = [s.in_one_lane() for s in chosen] if scope is Scope.QUICK else chosen
            own = scope is not Scope.WHOLE
            planned = runs(tried)
            for subject, members in list(planned.items()):
                known = [result for member in members if kept and (result := kept.of(member))]
                if len(known) == len(members):
                    del planned[subject]
                    for result in known:
                        note(result)
            ordered = sorted(planned, key=_turn)
            begun = [pool.submit(trials.run, s, own=own, cases=cases, browsers=browsers) for s in ordered]
            for done in as_completed(begun):
                trial = done.result()
                members = planned[trial.subject]
                for subject in members:
                    note(finding(replace(trial, subject=subject, seconds=trial.seconds / len(members))))
        finally:
            # All trials have ended unless this process is interrupted.
            trials.stop.set()
            pool.shutdown(cancel_futures=True)
            trials.close()
    whole = len(chosen) == len(subjects())
    return KillMatrix(
        findings=tuple(results[s.name] for s in chosen),
        uncovered=tuple(uncovered(requirements().values(), chosen)) if whole else (),
        cases=len(catalogue()),
        requirements=len(requirements()),
        scope=scope,
    )


def _turn(subject: Implementation) -> tuple[bool, int, int, bool]:
    """Return the turn of a trial: those of many cases first, and those without a server last."""
    mutant, tracker = subject.kind is ImplementationKind.MUTANT, subject.lanes == (Lane.TRACKER,)
    return mutant, -len(subject.rows), -len(subject.lanes), tracker


def _matches(subject: Implementation, pattern: str) -> bool:
    names: Iterable[str] = (subject.name, *subject.fails)
    return any(fnmatchcase(name.lower(), pattern) for name in names)
