"""``clickport selftest``: each subject before the referee, some at a time, and the matrix of it."""

import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from conformance.mutants.implementations import Implementation, ImplementationKind, runs, subjects
from conformance.mutants.matrix import MutantResult, finding, uncovered
from conformance.mutants.trial import run_check_on
from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import requirements
from conformance.targets.server import reference_clickhouse


class Scope(StrEnum):
    """What mutants meet: everything; the vectors of their own requirement; these, and in one lane only."""

    WHOLE = "whole"
    OWN = "own"
    QUICK = "quick"


@dataclass(frozen=True, kw_only=True)
class KillMatrix:
    """All findings, in the order of the subjects, and the requirements that no mutant tries."""

    findings: tuple[MutantResult, ...]
    uncovered: tuple[str, ...]
    cases: int
    requirements: int
    scope: Scope = Scope.WHOLE

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong with the referee, one line each."""
        missing = (f"{id_}: no mutant tries it" for id_ in self.uncovered)
        return (*(f"{f.subject.name}: {text}" for f in self.findings for text in f.problems), *missing)


def choose(only: Sequence[str], cases: Sequence[str] = ()) -> list[Implementation]:
    """Return the subjects whose name, or whose requirement, matches one of the globs; all without any.

    Those that are noticed by certain cases are left out if others are chosen by ``cases``.
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
) -> KillMatrix:
    """Try the chosen subjects; ``cases``: all meet these only; trackers run in each of ``browsers``.

    Raises TargetUnavailable when the reference cannot be run here."""
    with tempfile.TemporaryDirectory(prefix="clickport-selftest-") as folder, reference_clickhouse() as url:
        pool, stop = ThreadPoolExecutor(jobs), threading.Event()
        try:
            # The slowest first, so that none of them runs alone at the end.
            tried = [s.in_one_lane() for s in chosen] if scope is Scope.QUICK else chosen
            own = scope is not Scope.WHOLE
            planned = runs(tried)
            ordered = sorted(
                planned, key=lambda s: (s.kind is ImplementationKind.MUTANT, -len(s.rows), -len(s.lanes))
            )
            trials = [
                pool.submit(
                    run_check_on, s, Path(folder, s.name), url, stop, own=own, cases=cases, browsers=browsers
                )
                for s in ordered
            ]
            found = {}
            for done in as_completed(trials):
                trial = done.result()
                members = planned[trial.subject]
                for subject in members:
                    result = finding(replace(trial, subject=subject, seconds=trial.seconds / len(members)))
                    found[subject.name] = result
                    on_finding(result)
        finally:
            # All have ended, unless this one is interrupted.
            stop.set()
            pool.shutdown(cancel_futures=True)
    whole = len(chosen) == len(subjects())
    return KillMatrix(
        findings=tuple(found[s.name] for s in chosen),
        uncovered=tuple(uncovered(requirements().values(), chosen)) if whole else (),
        cases=len(catalogue()),
        requirements=len(requirements()),
        scope=scope,
    )


def _matches(subject: Implementation, pattern: str) -> bool:
    names: Iterable[str] = (subject.name, *subject.fails)
    return any(fnmatchcase(name.lower(), pattern) for name in names)
