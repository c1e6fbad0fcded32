"""The kill matrix: the result of each trial, and the problems of the suite that it reveals. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.mutants.implementations import Implementation, ImplementationKind
from conformance.mutants.trial import Trial, statuses
from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.results.record import Run
from conformance.results.verdict import Status


@dataclass(frozen=True, kw_only=True)
class MutantResult:
    """The result of a trial.

    ``killed`` and ``survived`` are lanes of a mutant; ``others`` are requirements that failed unexpectedly;
    ``kept``: the trial was not repeated, because nothing that it depends on has changed.
    """

    subject: Implementation
    seconds: float
    killed: tuple[Lane, ...] = ()
    survived: tuple[Lane, ...] = ()
    others: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    kept: bool = False

    @property
    def outcome(self) -> str:
        """Return the outcome as a word or two, for the table."""
        if self.subject.kind is not ImplementationKind.MUTANT:
            return "as expected" if not self.problems else "wrong"
        if not self.survived and not self.problems:
            return "killed"
        return "killed by another only" if self.others and not self.killed else "survived"


def finding(trial: Trial) -> MutantResult:
    """Return the result of a trial."""
    subject = trial.subject
    if trial.run is None:
        return MutantResult(
            subject=subject, seconds=trial.seconds, problems=(f"did not run: {trial.problem}",)
        )
    # Single cases are judged by themselves. In a shared run, other failures are those of its other members.
    failed = set() if subject.cells else _failed(trial.run)
    missed = _missed(trial.run, subject, failed)
    lanes = {lane for _, lane in missed}
    others = sorted({id_ for id_, _ in failed} - set(subject.fails))
    return MutantResult(
        subject=subject,
        seconds=trial.seconds,
        killed=tuple(lane for lane in subject.lanes if lane not in lanes) if subject.fails else (),
        survived=tuple(lane for lane in subject.lanes if lane in lanes),
        others=tuple(others),
        problems=tuple(_problems(trial.run, subject, missed)),
    )


def _failed(run: Run) -> set[tuple[str, Lane]]:
    return {key for key, status in statuses(run).items() if status == Status.FAIL}


def _missed(run: Run, subject: Implementation, failed: set[tuple[str, Lane]]) -> list[tuple[str, Lane]]:
    """Return the requirements, or single cases, that did not fail and should have, with their lanes."""
    if not subject.cells:
        return [(id_, lane) for id_ in subject.fails for lane in subject.lanes if (id_, lane) not in failed]
    seen: dict[str, set[Status]] = {}
    for result in run.results:
        seen.setdefault(result.id, set()).add(result.status)
    cells = [(cell, Lane(cell.partition("/")[0])) for cell in subject.cells]
    return [(cell, lane) for cell, lane in cells if lane in subject.lanes and seen.get(cell) != {Status.FAIL}]


def _problems(run: Run, subject: Implementation, missed: Iterable[tuple[str, Lane]]) -> Iterable[str]:
    if run.interrupted:
        yield "the run was interrupted"
    for result in run.results:
        if subject.cells and result.id not in subject.cells:
            continue
        if result.status is Status.ERROR:
            yield f"{result.id} ended in an error: {result.detail[:200]}"
        elif result.status is Status.FAIL and subject.kind in (
            ImplementationKind.REFERENCE,
            ImplementationKind.INDEPENDENT,
        ):
            yield f"false failure: {result.id}: {result.detail[:200]}"
        elif (
            result.status is Status.PASS
            and subject.kind is ImplementationKind.NULL
            and not any(fnmatchcase(result.id, allowed) for allowed in subject.passes)
        ):
            yield f"passed without doing anything: {result.id}"
    for id_, lane in missed:
        yield f"{id_} did not fail in the {lane} lane"


def uncovered(requirements: Iterable[Requirement], subjects: Sequence[Implementation]) -> list[str]:
    """Return the MUSTs and SHOULDs, with their lanes, that are checked and have no mutant."""
    tried = {
        (id_, lane)
        for s in subjects
        if s.kind is ImplementationKind.MUTANT
        for id_ in s.fails
        for lane in s.lanes
    }
    return [
        f"{requirement.id} ({lane})"
        for requirement in requirements
        if requirement.level is not Level.MAY
        for lane in requirement.lanes
        if lane not in requirement.excluded and (requirement.id, lane) not in tried
    ]
