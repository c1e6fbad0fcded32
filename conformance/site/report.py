"""Findings about a site as a run, so that every report format of the harness renders them."""

from collections.abc import Iterable, Mapping, Sequence

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.results.record import Run, RunInfo
from conformance.results.verdict import CaseResult, Status, Verdict, judge


def result(
    rule: Requirement,
    name: str,
    status: Status,
    detail: str = "",
    *,
    evidence: object = None,
    level: Level | None = None,
    left_out: bool = False,
) -> CaseResult:
    """Return the result of one rule on one subject; ``name`` becomes part of the case's id."""
    subject = "-".join(name.casefold().split())
    return CaseResult(
        id=f"{rule.lanes[0]}/{rule.id.lower()}{'-' if subject else ''}{subject}",
        requirement=rule.id,
        lane=rule.lanes[0],
        level=level or rule.level,
        status=status,
        detail=detail,
        received=evidence,
        deselected=left_out,
    )


def conclude(
    rules: Mapping[str, Requirement],
    results: Sequence[CaseResult],
    *,
    target: Mapping[str, str],
    strict: bool = False,
) -> tuple[Run, Verdict]:
    """Return results as a run with its verdict."""
    lanes = tuple(dict.fromkeys(rule.lanes[0] for rule in rules.values()))
    info = RunInfo(target=target, lanes=lanes, options={"strict": strict})
    run = Run(info=info, results=tuple(results), finished=info.started, interrupted=False)
    return run, judge(requirements=rules.values(), lanes=lanes, results=results, strict=strict)


def rule(id_: str, level: Level, what: str, why: str, lane: Lane = Lane.TRACKER) -> Requirement:
    """Return a rule that is not in the registry of the protocol."""
    return Requirement(id=id_, level=level, lanes=(lane,), what=what, why=why, excluded={})


def lines(verdict: Verdict) -> Iterable[str]:
    """Yield a line for each failure and warning: level, rule, text."""
    for word, results in (("FAIL", verdict.violations), ("WARN", verdict.warnings)):
        for each in results:
            yield f"{word}  {each.requirement:<8}{each.detail}"
