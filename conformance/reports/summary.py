"""What every report says, computed once from run, verdict and registry; the renderers only word it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.reports import timeline_text
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Exit, Fault, RequirementResult, Status, Verdict

NO_CASE = "no case of it has run"

WHEN = "when"
"""The step that tells a timeline."""

_NAMED = 4
_NOTHING = "nothing"
_PAST = {Status.PASS: "passed", Status.FAIL: "failed"}
_PENDING = "pending: "
_IN_BROWSERS = (Lane.TRACKER, Lane.PAIR)

_REMARKS = {
    "failed": "failed",
    "open": "not verified",
    "waived": "waived",
    "left_out": "not selected",
    "not_asked": "not asked",
}

EXIT_WORDS: Mapping[Exit, str] = {
    Exit.CONFORMANT: "conformant",
    Exit.VIOLATION: "violation",
    Exit.USAGE: "usage",
    Exit.COULD_NOT_RUN: "could not run",
    Exit.INCONCLUSIVE: "inconclusive: no violation, but not all was verified",
    Exit.SUITE_FAULT: "fault of the suite",
}


@dataclass(frozen=True, kw_only=True)
class Count:
    """How the requirements of one level fare in one place of the ledger."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    observed: int = 0
    waived: int = 0
    left_out: int = 0
    not_asked: int = 0

    @property
    def open(self) -> int:
        """The number of those that were asked for and not decided."""
        decided = self.passed + self.failed + self.observed
        return self.total - decided - self.waived - self.left_out - self.not_asked


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One requirement family in one lane."""

    family: str
    lane: Lane
    counts: Mapping[Level, Count]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is not green: ``1 MUST failed``, ``2 SHOULD not verified``."""
        return tuple(
            f"{', '.join(members)} {words}"
            for name, words in _REMARKS.items()
            if (members := self._members(name))
        )

    def _members(self, name: str) -> list[str]:
        numbers = {level: getattr(self.counts[level], name) for level in (Level.MUST, Level.SHOULD)}
        return [f"{number} {level}" for level, number in numbers.items() if number]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The verdict in one sentence; ``tone`` (good, bad, open, broken) chooses symbol and colour."""

    tone: str
    sentence: str
    asides: tuple[str, ...] = ()


def headline(run: Run, verdict: Verdict) -> Headline:
    """Say the verdict in one sentence, and in asides what qualifies it."""
    tone, sentence = _sentence(run, verdict)
    asides = []
    if run.interrupted:
        asides.append("The run was interrupted: this is what it saw until then.")
    if chosen := _chosen(run, verdict):
        asides.append(chosen)
    if verdict.known and verdict.violations:
        asides.append(f"{_number(len(verdict.known), 'violation')} more in the baseline, not counted.")
    asides += [f"stale baseline: {problem}" for problem in verdict.stale]
    asides += [f"waiver: {problem}" for problem in verdict.bad_waivers]
    asides += [f"Waived: {names}: {why}." for why, names in waived(verdict).items()]
    if verdict.idle_waivers:
        asides.append(f"Nothing in this run asks for {_listed(verdict.idle_waivers)}, which is waived.")
    if verdict.errors and verdict.conformant is False:
        asides.append(f"{_number(len(verdict.errors), 'case')} ended in an error and decided nothing.")
    if verdict.warnings:
        warned = _requirements_of(verdict.warnings, verdict)
        asides.append(
            f"{_number(len(verdict.warnings), 'warning')} about {warned}, not counted in the verdict."
        )
    return Headline(tone=tone, sentence=sentence, asides=tuple(asides))


def notes(run: Run) -> Mapping[str, str]:
    """What is to be said of cases that passed: the note, and the requirements that it is about."""
    groups: dict[str, dict[str, None]] = {}
    for result in run.results:
        if result.status is Status.PASS and result.detail:
            groups.setdefault(result.detail, {})[f"{result.requirement} ({result.lane})"] = None
    return {note: ", ".join(about) for note, about in groups.items()}


def drawn(run: Run) -> tuple[str, ...]:
    """How much each lane drew for its properties, and how often each of them had to do with it."""
    places: dict[tuple[str, str], list[CaseResult]] = {}
    for result in run.results:
        if result.fuzzed:
            places.setdefault((str(result.lane), result.browser or ""), []).append(result)
    lines = []
    for (lane, browser), results in places.items():
        most = results[0].fuzzed
        least = min(results, key=lambda result: result.fuzzed["examined"])
        broken = [result.counterexample for result in results if result.counterexample]
        lines.append(
            f"{lane}{f' {browser}' if browser else ''}: {_number(most['examples'], 'example')}, "
            f"{most['a_second']} a second, for {len(results)} properties; the fewest, "
            f"{least.fuzzed['examined']}, had to do with {least.requirement}"
            + (f"; broken by {', '.join(broken)}" if broken else "")
        )
    return tuple(lines)


def _sentence(run: Run, verdict: Verdict) -> tuple[str, str]:
    lanes = _listed(run.info.lanes)
    if verdict.conformant is False and not verdict.violations:
        return "open", f"not conformant, as known: {_number(len(verdict.known), 'violation')} in the baseline"
    if verdict.conformant is False:
        where = _requirements_of(verdict.violations, verdict)
        return "bad", f"not conformant: {_number(len(verdict.violations), 'violation')} of {where}"
    if verdict.errors:
        return "broken", _no_verdict(verdict.errors)
    if verdict.conformant and run.interrupted:
        return "open", f"no violation before the run was interrupted; {lanes} not verified in full"
    if verdict.conformant:
        return "good" if verdict.exit_code is Exit.CONFORMANT else "open", _conformant(run, verdict)
    passed, total = verified(run, verdict)
    selected = total - _left_out(run, verdict)
    of_all = " and ".join(plural(level, selected) for level in binding(run))
    of_all = f"selected {of_all}" if verdict.partial else of_all
    if not passed:
        return "open", f"no verdict: nothing was verified of {selected} {of_all}"
    return "open", f"conformant in everything that was verified: {passed} of {selected} {of_all}"


def _conformant(run: Run, verdict: Verdict) -> str:
    levels = " and ".join(binding(run))
    excused = _listed(dict.fromkeys(row.id for row in verdict.waived if row.level in binding(run)))
    if not verdict.partial:
        lanes = _listed(run.info.lanes)
        if verdict.waived and excused != _NOTHING:
            return f"conformant, with {excused} waived: every other {levels} of {lanes} was verified"
        return f"conformant: every {levels} of {lanes} was verified"
    passed, total = verified(run, verdict)
    in_part = sum(row.in_part and row.status is Status.PASS for row in _binding_rows(run, verdict))
    remarks = (
        (in_part, f"{in_part} of them in part"),
        (excused != _NOTHING, f"{excused} waived"),
        (not passed, f"what was selected binds less than a {binding(run)[0]}"),
    )
    of_all = " and ".join(plural(level, total) for level in binding(run))
    told = "".join(f", {text}" for applies, text in remarks if applies)
    return f"conformant in what was selected: {passed} of {total} {of_all}{told}"


def _chosen(run: Run, verdict: Verdict) -> str:
    """What came of the cases that were chosen, where others were left out."""
    asked = [result for result in run.results if not result.not_asked]
    chosen = [result for result in asked if result.status is not Status.NOT_RUN]
    if len(chosen) == len(asked) or not chosen:
        return ""
    kinds = Counter(
        "warned" if is_warning(r, verdict) else _PAST.get(r.status, status_word(r.status)) for r in chosen
    )
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    return f"Of {_number(len(chosen), 'case')} chosen: {told}."


def _requirements_of(results: Sequence[CaseResult], verdict: Verdict) -> str:
    """Name the requirements of these cases in the order of the registry, or count them if they are many."""
    found = {result.requirement for result in results}
    known = dict.fromkeys(row.id for row in verdict.requirements if row.id in found)
    ids = dict.fromkeys([*known, *sorted(found)])
    return _listed(ids) if len(ids) <= _NAMED else _number(len(ids), "requirement")


def exit_code(run: Run, verdict: Verdict) -> str:
    """Say the exit code and what it means."""
    unfinished = ", of a run that was interrupted" if run.interrupted else ""
    words = EXIT_WORDS[verdict.exit_code]
    if verdict.exit_code is Exit.VIOLATION and not verdict.violations:
        words = "a waiver that does not hold" if verdict.bad_waivers else "stale baseline"
    if verdict.exit_code is Exit.CONFORMANT and verdict.known:
        words = "no violation but those that the baseline names"
    return f"{int(verdict.exit_code)} ({words}{unfinished})"


def _no_verdict(errors: Sequence[CaseResult]) -> str:
    cases = _number(len(errors), "case")
    if any(e.fault is Fault.TARGET for e in errors):
        return f"no verdict: the target could not be run, {cases} ended in an error"
    return f"no verdict: the suite itself failed in {cases}, which says nothing about the target"


def binding(run: Run) -> tuple[Level, ...]:
    """The levels that decide this run."""
    return (Level.MUST, Level.SHOULD) if run.info.strict else (Level.MUST,)


def verified(run: Run, verdict: Verdict) -> tuple[int, int]:
    """How many binding requirements passed, and how many there are; one in two lanes counts twice."""
    rows = _binding_rows(run, verdict)
    return sum(r.status is Status.PASS for r in rows), len(rows)


def _binding_rows(run: Run, verdict: Verdict) -> list[RequirementResult]:
    """The requirements that decide this run, without those that nobody asks of the target."""
    asked = (r for r in verdict.requirements if not r.not_asked or r.waived)
    return [r for r in asked if r.level in binding(run)]


def _left_out(run: Run, verdict: Verdict) -> int:
    return sum(row.left_out for row in _binding_rows(run, verdict))


def unverified(run: Run, verdict: Verdict) -> tuple[RequirementResult, ...]:
    """The binding requirements that were asked for, and that nothing decided."""
    return tuple(r for r in verdict.requirements if r.level in binding(run) and r.open)


def waived(verdict: Verdict) -> Mapping[str, str]:
    """The waived requirements by reason: ``{"no usage API": "QUOTA-1 (server)"}``."""
    groups: dict[str, list[RequirementResult]] = {}
    for row in verdict.waived:
        groups.setdefault(row.waived, []).append(row)
    return {why: names(rows) for why, rows in groups.items()}


def waiver_of(result: CaseResult, verdict: Verdict) -> str:
    """The reason for which the requirement of a case is waived in its lane; empty if it is not."""
    own = (r for r in verdict.waived if (r.id, r.lane) == (result.requirement, result.lane))
    return next((row.waived for row in own), "")


def by_reason(rows: Iterable[RequirementResult]) -> Mapping[str, str]:
    """Group undecided requirements: the reason, and their names with their lane.

    ``{"pending: needs the dashboard lane": "DASH-1, DASH-2 (dashboard)"}``
    """
    groups: dict[str, list[RequirementResult]] = {}
    for row in rows:
        groups.setdefault(reason(row), []).append(row)
    return {why: names(members) for why, members in groups.items()}


def names(rows: Iterable[RequirementResult]) -> str:
    """Name requirements, lane by lane: ``DASH-1, DASH-2 (dashboard), QUOTA-1 (server)``."""
    lanes: dict[Lane, list[str]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row.id)
    return ", ".join(f"{', '.join(ids)} ({lane})" for lane, ids in lanes.items())


def reason(row: RequirementResult) -> str:
    """Why a requirement is not green; never empty unless it passed."""
    if row.reason or row.status in (Status.PASS, Status.OBSERVED):
        return row.reason
    return NO_CASE if not row.cases else f"its cases are {row.status}"


def ledger(verdict: Verdict, requirements: Mapping[str, Requirement]) -> tuple[LedgerRow, ...]:
    """Count the requirements of the run per family and lane, in the order of the registry."""
    rows: dict[tuple[str, Lane], list[RequirementResult]] = {}
    for row in verdict.requirements:
        rows.setdefault((family(row.id, requirements), row.lane), []).append(row)
    return tuple(
        LedgerRow(family=name, lane=lane, counts={level: _count(members, level) for level in Level})
        for (name, lane), members in rows.items()
    )


def family(id_: str, requirements: Mapping[str, Requirement]) -> str:
    """The family of a requirement, also of one that this registry no longer knows."""
    return requirements[id_].family if id_ in requirements else id_.rpartition("-")[0]


def _count(rows: Iterable[RequirementResult], level: Level) -> Count:
    own = [row for row in rows if row.level is level]
    found = [row.status for row in own]
    return Count(
        total=len(found),
        passed=found.count(Status.PASS),
        failed=found.count(Status.FAIL),
        observed=found.count(Status.OBSERVED),
        waived=sum(bool(row.waived) for row in own),
        left_out=sum(row.left_out for row in own),
        not_asked=sum(row.not_asked and not row.waived for row in own),
    )


def findings(results: Iterable[CaseResult]) -> Mapping[str, Sequence[Sequence[CaseResult]]]:
    """Group cases by requirement, then by what was found; an error is of no requirement."""
    groups: dict[str, dict[str, list[CaseResult]]] = {}
    for result in results:
        requirement = "" if result.status is Status.ERROR else result.requirement
        groups.setdefault(requirement, {}).setdefault(result.detail, []).append(result)
    return {requirement: tuple(same.values()) for requirement, same in groups.items()}


def steps(result: CaseResult) -> tuple[tuple[str, object], ...]:
    """The evidence of a case in the order it came about, each under a word that fits its lane."""
    first, second = ("called", "arrived") if result.lane in _IN_BROWSERS else ("sent", "answered")
    when = timeline_text.in_words(result.timeline) if result.timeline else None
    found = ((first, result.sent), (second, result.received), (WHEN, when), ("stored", result.stored))
    return tuple((word, "nothing" if value == [] else value) for word, value in found if value is not None)


def status_word(status: Status, *, warning: bool = False) -> str:
    """The status as people read it."""
    return "warning" if warning else status.value.replace("-", " ")


def row_word(row: RequirementResult) -> str:
    """The status of a requirement as people read it: what is yet to come is pending, not excluded."""
    if row.waived or row.not_asked:
        return "waived" if row.waived else "not asked"
    pending = row.status is Status.EXCLUDED and row.reason.startswith(_PENDING)
    return "pending" if pending else status_word(row.status)


def row_reason(row: RequirementResult) -> str:
    """Why a requirement is not green, to be said after ``row_word``."""
    if row.waived:
        return f"{row.waived} ({status_word(row.status)}: {reason(row)})"
    return reason(row).removeprefix(_PENDING) if row_word(row) == "pending" else reason(row)


def is_known(result: CaseResult, verdict: Verdict) -> bool:
    """Whether this failure is one that the baseline names."""
    return any(result is k or result == k for k in verdict.known)


def is_warning(result: CaseResult, verdict: Verdict) -> bool:
    """Whether a failure of this case does not count."""
    return any(result is w or result == w for w in verdict.warnings)


def plural(noun: str, number: int) -> str:
    """The noun, with an s unless there is one of it."""
    return noun if number == 1 else f"{noun}s"


def _number(number: int, noun: str) -> str:
    return f"{number} {plural(noun, number)}"


def _listed(items: Iterable[str]) -> str:
    """Join words: ``tracker, server and pair``."""
    *most, last = tuple(items) or (_NOTHING,)
    return f"{', '.join(most)} and {last}" if most else last
