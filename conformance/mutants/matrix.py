"""The kill matrix: what each trial showed, and what is wrong with the referee if anything is. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.mutants.subjects import Kind, Subject
from conformance.mutants.trial import Trial, statuses
from conformance.registry import Lane, Level, Requirement
from conformance.verdict import Status


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a trial showed: ``killed`` and ``survived`` are lanes of a mutant, ``others`` what else failed."""

    subject: Subject
    seconds: float
    killed: tuple[Lane, ...] = ()
    survived: tuple[Lane, ...] = ()
    others: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """One word for the table."""
        if self.subject.kind is not Kind.MUTANT:
            return "as expected" if not self.problems else "wrong"
        if not self.survived and not self.problems:
            return "killed"
        return "killed by another only" if self.others and not self.killed else "survived"


def finding(trial: Trial) -> Finding:
    """Judge one trial."""
    subject = trial.subject
    if trial.run is None:
        return Finding(subject=subject, seconds=trial.seconds, problems=(f"did not run: {trial.problem}",))
    found = statuses(trial.run)
    failed = {key for key, status in found.items() if status == Status.FAIL}
    killed = tuple(lane for lane in subject.lanes if all((id_, lane) in failed for id_ in subject.fails))
    return Finding(
        subject=subject,
        seconds=trial.seconds,
        killed=killed if subject.fails else (),
        survived=tuple(lane for lane in subject.lanes if lane not in killed) if subject.fails else (),
        others=tuple(sorted({id_ for id_, _ in failed} - set(subject.fails))),
        problems=tuple(_problems(trial, subject, failed)),
    )


def _problems(trial: Trial, subject: Subject, failed: set[tuple[str, Lane]]) -> Iterable[str]:
    assert trial.run
    if trial.run.interrupted:
        yield "the run did not end"
    for result in trial.run.results:
        if result.status is Status.ERROR:
            yield f"{result.id} ended in an error: {result.detail[:200]}"
        elif result.status is Status.FAIL and subject.kind in (Kind.REFERENCE, Kind.INDEPENDENT):
            yield f"false failure: {result.id}: {result.detail[:200]}"
        elif (
            result.status is Status.PASS
            and subject.kind is Kind.NULL
            and not any(fnmatchcase(result.id, allowed) for allowed in subject.passes)
        ):
            yield f"passed without doing anything: {result.id}"
    for id_ in subject.fails:
        for lane in subject.lanes:
            if (id_, lane) not in failed:
                yield f"{id_} did not fail in the {lane} lane"


def uncovered(requirements: Iterable[Requirement], subjects: Sequence[Subject]) -> list[str]:
    """The MUSTs and SHOULDs, by lane, that are checked and have no mutant."""
    tried = {(id_, lane) for s in subjects if s.kind is Kind.MUTANT for id_ in s.fails for lane in s.lanes}
    return [
        f"{requirement.id} ({lane})"
        for requirement in requirements
        if requirement.level is not Level.MAY
        for lane in requirement.lanes
        if lane not in requirement.excluded and (requirement.id, lane) not in tried
    ]
