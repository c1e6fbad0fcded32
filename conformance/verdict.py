"""Status algebra: from what each case showed to one verdict and one exit code. Pure; no I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from conformance.baseline import Known, stale
from conformance.registry import Lane, Level, Requirement


class Status(StrEnum):
    """What is known of a case, or of a requirement in one lane."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    FAIL = "fail"
    ERROR = "error"
    NOT_TESTABLE = "not-testable"
    NOT_RUN = "not-run"
    EXCLUDED = "excluded"
    OBSERVED = "observed"


class Fault(StrEnum):
    """Whose fault an ``error`` is: the suite's own, or a target that could not be run."""

    SUITE = "suite"
    TARGET = "target"


class Exit(IntEnum):
    """Exit codes of every command that gives a verdict."""

    CONFORMANT = 0
    VIOLATION = 1
    USAGE = 2
    COULD_NOT_RUN = 3
    INCONCLUSIVE = 4
    SUITE_FAULT = 70


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What one case showed in one browser (or none): the unit of the run record.

    ``sent`` is the call or request, ``received`` what the recorder or the client saw, ``stored`` the rows
    read back; each is plain JSON data. ``repro`` repeats the case in one line.

    Of a way to leave a page ``tries`` tells how often it was tried and what became of the events, and
    ``timeline`` when, if one was lost. ``screenshot`` is the page of a failing case, a PNG in Base64.
    Of a property: ``fuzzed`` tells how much was tried; ``counterexample`` is the id of what broke it (such as
    PROP-3#c3f1) and ``example`` the thing itself; ``cured`` are ids of earlier ones that break it no more.
    """

    id: str
    requirement: str
    lane: Lane
    level: Level
    status: Status
    browser: str | None = None
    detail: str = ""
    repro: str = ""
    sent: Any = None
    received: Any = None
    stored: Any = None
    seconds: float = 0.0
    fault: Fault | None = None
    counterexample: str = ""
    example: Any = None
    fuzzed: Any = None
    tries: Any = None
    timeline: Any = None
    screenshot: str = ""
    cured: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """The name of this failure in a baseline: of a property, that of the counterexample."""
        return self.counterexample or self.id


@dataclass(frozen=True, kw_only=True)
class RequirementResult:
    """A requirement in one lane: its status, the reason when nothing decided it, and its case ids."""

    id: str
    level: Level
    lane: Lane
    status: Status
    reason: str = ""
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of a run. ``conformant`` is None when a MUST of the chosen lanes was not verified.

    ``known`` are violations that the baseline names: no exit code counts them, yet they are not conformant.
    ``stale`` is what is wrong with the baseline.
    """

    conformant: bool | None
    exit_code: Exit
    requirements: tuple[RequirementResult, ...]
    violations: tuple[CaseResult, ...]
    warnings: tuple[CaseResult, ...]
    errors: tuple[CaseResult, ...]
    known: tuple[CaseResult, ...] = ()
    stale: tuple[str, ...] = ()
    summary: Mapping[str, int] = field(default_factory=dict)

    @property
    def unverified(self) -> tuple[RequirementResult, ...]:
        """The MUSTs of the chosen lanes that did not pass and were not refuted either."""
        decided = (Status.PASS, Status.FAIL)
        return tuple(r for r in self.requirements if r.level is Level.MUST and r.status not in decided)


# Among the cases of a requirement the first of these that occurs is its status.
_PRECEDENCE = (
    Status.FAIL,
    Status.ERROR,
    Status.NOT_TESTABLE,
    Status.NOT_RUN,
    Status.EXCLUDED,
    Status.OBSERVED,
    Status.PASS,
)


def judge(
    *,
    requirements: Iterable[Requirement],
    lanes: Sequence[Lane],
    results: Sequence[CaseResult],
    strict: bool = False,
    known: Sequence[Known] = (),
    day: str = "",
) -> Verdict:
    """Compute the verdict of a run over ``lanes`` from the results of its cases.

    A case that was deselected must be among ``results`` as ``not-run``: what is absent cannot be verified.
    With ``strict`` a failing SHOULD is a violation too. ``known`` is the baseline, ``day`` the run's.
    """
    rows = tuple(
        _requirement_result(requirement, lane, results)
        for requirement in requirements
        for lane in requirement.lanes
        if lane in lanes
    )
    failed = [r for r in results if r.status is Status.FAIL]
    binding = (Level.MUST, Level.SHOULD) if strict else (Level.MUST,)
    expected = {k.case for k in known if not k.expired(day)}
    against = [r for r in failed if r.level in binding]
    violations = tuple(r for r in against if not expected & {r.id, r.known_as})
    excused = tuple(r for r in against if expected & {r.id, r.known_as})
    errors = tuple(r for r in results if r.status is Status.ERROR)
    # A case that fails in one browser passes in none, as far as its entry is concerned.
    passed = {r.id for r in results if r.status in (Status.PASS, Status.OBSERVED)} - {r.id for r in failed}
    passed |= {id_ for r in results for id_ in r.cured} - {r.known_as for r in failed}
    stale_entries = stale(known, passed=passed, day=day)
    musts = [row for row in rows if row.level in binding]
    undecided = [row for row in musts if row.status not in (Status.PASS, Status.FAIL)]
    conformant = None
    if violations or excused:
        conformant = False
    elif musts and not errors and all(row.status is Status.PASS for row in musts):
        conformant = True
    return Verdict(
        conformant=conformant,
        exit_code=_exit_code(
            violated=bool(violations or stale_entries), errors=errors, verified=bool(musts) and not undecided
        ),
        requirements=rows,
        violations=violations,
        warnings=tuple(r for r in failed if r.level not in binding),
        errors=errors,
        known=excused,
        stale=stale_entries,
        summary=dict(Counter(str(r.status) for r in results)),
    )


def _requirement_result(
    requirement: Requirement, lane: Lane, results: Sequence[CaseResult]
) -> RequirementResult:
    own = [r for r in results if r.requirement == requirement.id and r.lane is lane]
    # A case may bind less than its requirement (amounts finer than cents): it warns, and does not decide.
    deciding = [r for r in own if r.level is requirement.level]
    status, reason = Status.EXCLUDED, requirement.excluded.get(lane, "")
    if deciding:
        found = {r.status for r in deciding}
        status = next(s for s in _PRECEDENCE if s in found)
        reason = next((r.detail for r in deciding if r.status is status), "")
    elif own:
        status, reason = Status.NOT_RUN, "only cases that bind less than the requirement were run"
    return RequirementResult(
        id=requirement.id,
        level=requirement.level,
        lane=lane,
        status=status,
        reason="" if status is Status.PASS else reason,
        cases=tuple(dict.fromkeys(r.id for r in own)),
    )


def _exit_code(*, violated: bool, errors: Sequence[CaseResult], verified: bool) -> Exit:
    if violated:
        return Exit.VIOLATION
    if any(e.fault is Fault.TARGET for e in errors):
        return Exit.COULD_NOT_RUN
    if errors:
        return Exit.SUITE_FAULT
    return Exit.CONFORMANT if verified else Exit.INCONCLUSIVE
