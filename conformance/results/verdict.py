"""Computation of the verdict and exit code of a run from the results of its cases. Pure; no I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.results.baseline import KnownFailure, stale
from conformance.results.waivers import Waiver


class Status(StrEnum):
    """Status of a case, or of a requirement in one lane."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    FAIL = "fail"
    ERROR = "error"
    NOT_TESTABLE = "not-testable"
    NOT_RUN = "not-run"
    EXCLUDED = "excluded"
    OBSERVED = "observed"


class Fault(StrEnum):
    """Cause of an ``error``: the suite itself, or a target that could not be run."""

    SUITE = "suite"
    TARGET = "target"


class Part(NamedTuple):
    """A part of a run that is decided by itself: a lane, in one browser if it uses any."""

    lane: Lane
    browser: str | None

    def __str__(self) -> str:
        return f"{self.lane} lane in {self.browser}" if self.browser else f"{self.lane} lane"


class Exit(IntEnum):
    """Exit codes of the commands that give a verdict."""

    CONFORMANT = 0
    VIOLATION = 1
    USAGE = 2
    COULD_NOT_RUN = 3
    INCONCLUSIVE = 4
    SUITE_FAULT = 70


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """Result of one case in one browser, or without a browser: the unit of the run record.

    ``sent`` is the call or request, ``received`` the requests at the recorder or the response to the client,
    ``stored`` the rows read back; each is plain JSON data. ``repro`` is the shell command that repeats the
    case. ``screenshot`` shows the page of a failing case, a PNG in Base64.

    For an exit, ``tries`` counts the attempts and the fate of their events, and ``timeline`` lists the times
    of the requests if an event was lost.

    For a property, ``fuzzed`` counts the examples that were tried, ``counterexample`` is the id of the
    counterexample (such as PROP-3#c3f1), ``example`` is its call or request, and ``cured`` lists the ids of
    stored counterexamples that no longer violate it.

    ``deselected``: the user excluded the case, so the verdict does not cover it. ``not_asked``: the
    requirement does not apply to this target. ``upcoming``: the case belongs to a later requirement set than
    the run's; it is shown, and changes no verdict. ``drawn``: the case is a property, checked on generated
    examples; it can refute its requirement, and is needed to verify it only if no written case does.
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
    deselected: bool = False
    not_asked: bool = False
    drawn: bool = False
    upcoming: bool = False

    @property
    def known_as(self) -> str:
        """The id that names this failure in a baseline: that of the counterexample, or else of the case."""
        return self.counterexample or self.id


@dataclass(frozen=True, kw_only=True)
class RequirementResult:
    """Result of a requirement in one lane, with the ids of its cases; ``reason`` is empty if it passed.

    ``left_out``: none of its cases was selected. ``in_part``: only some of them were. ``not_asked``: it does
    not apply to this target. ``waived`` is the reason of the waiver that excuses it, or empty.
    """

    id: str
    level: Level
    lane: Lane
    status: Status
    reason: str = ""
    cases: tuple[str, ...] = ()
    left_out: bool = False
    in_part: bool = False
    not_asked: bool = False
    waived: str = ""

    @property
    def decided(self) -> bool:
        """True if it passed or was refuted."""
        return self.status in (Status.PASS, Status.FAIL)

    @property
    def open(self) -> bool:
        """True if it keeps the run from being conformant: applicable, selected, not waived, not decided."""
        return not (self.decided or self.left_out or self.not_asked or self.waived)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Verdict of a run. ``conformant`` is ``None`` if a selected MUST was not verified.

    ``known`` are violations listed in the baseline: they do not change the exit code, but ``conformant`` is
    False. ``stale`` and ``bad_waivers`` are faults of the baseline and of the waivers, one line each;
    ``idle_waivers`` are the requirements of waivers that this run had no use for. ``upcoming`` are results of
    cases of later requirement sets; nothing else in the verdict depends on them. ``partial``: the selection
    left out a MUST, wholly or in part, and the verdict covers only the rest.
    """

    conformant: bool | None
    exit_code: Exit
    requirements: tuple[RequirementResult, ...]
    violations: tuple[CaseResult, ...]
    warnings: tuple[CaseResult, ...]
    errors: tuple[CaseResult, ...]
    known: tuple[CaseResult, ...] = ()
    stale: tuple[str, ...] = ()
    bad_waivers: tuple[str, ...] = ()
    idle_waivers: tuple[str, ...] = ()
    upcoming: tuple[CaseResult, ...] = ()
    partial: bool = False
    summary: Mapping[str, int] = field(default_factory=dict)

    @property
    def unverified(self) -> tuple[RequirementResult, ...]:
        """The MUSTs that are open: applicable, selected, not waived and not decided."""
        return tuple(r for r in self.requirements if r.level is Level.MUST and r.open)

    @property
    def waived(self) -> tuple[RequirementResult, ...]:
        """The requirements that a waiver excuses, each with its reason."""
        return tuple(r for r in self.requirements if r.waived)


# The status of a requirement is the first of these that one of its cases has.
_PRECEDENCE = (
    Status.FAIL,
    Status.ERROR,
    Status.NOT_TESTABLE,
    Status.NOT_RUN,
    Status.EXCLUDED,
    Status.OBSERVED,
    Status.PASS,
)
# Beside written cases, a property counts only with these: it can refute a requirement, not verify it.
_REFUTES = (Status.FAIL, Status.ERROR)


def judge(
    *,
    requirements: Iterable[Requirement],
    lanes: Sequence[Lane],
    results: Sequence[CaseResult],
    strict: bool = False,
    known: Sequence[KnownFailure] = (),
    day: str = "",
    waivers: Sequence[Waiver] = (),
    require_all: bool = False,
) -> Verdict:
    """Compute the verdict of a run over ``lanes`` from the results of its cases.

    ``requirements`` are those of the run's requirement set; results of upcoming cases are set apart.
    ``results`` must include the deselected cases, marked as such. The verdict covers the selected cases only;
    with ``require_all`` it covers all, and a requirement that was left out counts as not verified. With
    ``strict`` a failing SHOULD is a violation too. ``known`` is the baseline and ``day`` the day of the run
    (ISO 8601), on which its entries must not have expired.
    """
    upcoming = tuple(r for r in results if r.upcoming and not r.deselected)
    results = [r for r in results if not r.upcoming]
    rows = _waived(_rows(requirements, lanes, results, require_all=require_all), waivers)
    failed = [r for r in results if r.status is Status.FAIL]
    binding = (Level.MUST, Level.SHOULD) if strict else (Level.MUST,)
    expected = {k.case for k in known if not k.expired(day)}
    against = [r for r in failed if r.level in binding]
    violations = tuple(r for r in against if not expected & {r.id, r.known_as})
    excused = tuple(r for r in against if expected & {r.id, r.known_as})
    errors = tuple(r for r in results if r.status is Status.ERROR)
    stale_entries = stale(known, passed=_passed(results), day=day)
    bad, idle = _waiver_problems(waivers, rows)
    musts = [row for row in rows if row.level in binding]
    undecided = any(row.open for row in musts)
    # A selection without binding requirements is verified if any of its cases passes; a whole lane is not.
    selection = any(row.left_out for row in musts)
    verified = any(row.decided for row in musts) or (selection and _something_passed(results))
    conformant = None
    if violations or excused:
        conformant = False
    elif verified and not undecided and not errors:
        conformant = True
    return Verdict(
        conformant=conformant,
        exit_code=_exit_code(
            violated=bool(violations or stale_entries or bad),
            errors=errors,
            verified=verified and not undecided,
        ),
        requirements=rows,
        violations=violations,
        warnings=tuple(r for r in failed if r.level not in binding),
        errors=errors,
        known=excused,
        stale=stale_entries,
        bad_waivers=bad,
        idle_waivers=idle,
        upcoming=upcoming,
        partial=any(row.left_out or row.in_part for row in musts),
        summary=dict(Counter(str(r.status) for r in results)),
    )


def _passed(results: Sequence[CaseResult]) -> set[str]:
    """Return the ids of cases that passed in every browser and of counterexamples that no longer fail."""
    failed = [r for r in results if r.status is Status.FAIL]
    passed = {r.id for r in results if r.status in (Status.PASS, Status.OBSERVED)} - {r.id for r in failed}
    return passed | {id_ for r in results for id_ in r.cured} - {r.known_as for r in failed}


def _something_passed(results: Sequence[CaseResult]) -> bool:
    return any(r.status is Status.PASS and r.level is not Level.MAY for r in results)


def _rows(
    requirements: Iterable[Requirement],
    lanes: Sequence[Lane],
    results: Sequence[CaseResult],
    *,
    require_all: bool,
) -> tuple[RequirementResult, ...]:
    own: dict[tuple[str, Lane], list[CaseResult]] = {}
    for result in results:
        own.setdefault((result.requirement, result.lane), []).append(result)
    return tuple(
        _requirement_result(requirement, lane, own.get((requirement.id, lane), []), require_all=require_all)
        for requirement in requirements
        for lane in requirement.lanes
        if lane in lanes
    )


def _requirement_result(
    requirement: Requirement, lane: Lane, own: Sequence[CaseResult], *, require_all: bool
) -> RequirementResult:
    # A case may have a lower level than its requirement (amounts finer than cents): it warns, no more.
    binding = [r for r in own if r.level is requirement.level]
    selected = [r for r in binding if require_all or not r.deselected]
    written = [r for r in selected if not r.drawn]
    deciding = selected
    if written and not require_all:
        deciding = [*written, *(r for r in selected if r.drawn and r.status in _REFUTES)]
    # If any of its cases applies to this target, those that do not apply are ignored.
    deciding = [r for r in deciding if not r.not_asked] or deciding
    left_out = bool(own) and not require_all and all(r.deselected for r in binding or own)
    status, reason = Status.EXCLUDED, requirement.excluded.get(lane, "")
    if deciding:
        found = {r.status for r in deciding}
        status = next(s for s in _PRECEDENCE if s in found)
        reason = next((r.detail for r in deciding if r.status is status), "")
    elif left_out:
        status, reason = Status.NOT_RUN, (binding or own)[0].detail
    elif own:
        status, reason = Status.NOT_RUN, "only cases that bind less than the requirement were run"
    return RequirementResult(
        id=requirement.id,
        level=requirement.level,
        lane=lane,
        status=status,
        reason="" if status is Status.PASS else reason,
        cases=tuple(dict.fromkeys(r.id for r in own)),
        left_out=left_out,
        in_part=not left_out and not require_all and _in_part(binding),
        not_asked=bool(deciding) and all(r.not_asked for r in deciding),
    )


def _in_part(binding: Sequence[CaseResult]) -> bool:
    """Return True if the selection left out a written case; properties are not needed to verify."""
    return any(r.deselected and not r.drawn for r in binding)


def _waived(rows: Sequence[RequirementResult], waivers: Sequence[Waiver]) -> tuple[RequirementResult, ...]:
    """Return the rows with ``waived`` filled in for those that were selected, not decided and waived."""
    reasons = {waiver.requirement: waiver.reason for waiver in waivers}
    return tuple(
        replace(row, waived=reasons[row.id])
        if row.id in reasons and not row.decided and not row.left_out and row.status is not Status.ERROR
        else row
        for row in rows
    )


def _waiver_problems(
    waivers: Sequence[Waiver], rows: Sequence[RequirementResult]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the faults of waivers, one line each, and the requirements of waivers without a selected row."""
    bad, idle = [], []
    for waiver in waivers:
        own = [row for row in rows if row.id == waiver.requirement and not row.left_out]
        if not own:
            idle.append(waiver.requirement)
        elif any(row.status is Status.FAIL for row in own):
            bad.append(
                f"{waiver.requirement} fails, and a waiver is for what cannot be verified: "
                "remove it, and list a known failure in a baseline"
            )
        elif all(row.decided for row in own):
            bad.append(f"{waiver.requirement} was verified: remove its waiver")
    return tuple(bad), tuple(idle)


def _exit_code(*, violated: bool, errors: Sequence[CaseResult], verified: bool) -> Exit:
    if violated:
        return Exit.VIOLATION
    if any(e.fault is Fault.TARGET for e in errors):
        return Exit.COULD_NOT_RUN
    if errors:
        return Exit.SUITE_FAULT
    return Exit.CONFORMANT if verified else Exit.INCONCLUSIVE
