"""The content that all reports share, computed from run, verdict and registry. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.protocol.transport import DEFAULT_PROTOCOL
from conformance.reports import load, timeline_text
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Exit, Fault, RequirementResult, Status, Verdict

NO_CASE = "no case of it has run"

WHEN = "when"
"""The name of the step that shows a timeline."""

_NAMED = 4
_NOTHING = "nothing"
_PAST = {Status.PASS: "passed", Status.FAIL: "failed"}
_PENDING = "pending: "
_IN_BROWSERS = (Lane.TRACKER, Lane.PAIR)
# The lanes that test a target, or need it, by its name in the record.
_TESTED_IN = {
    "tracker": (Lane.TRACKER, Lane.PAIR),
    "server": (Lane.SERVER, Lane.PAIR, Lane.DASHBOARD, Lane.LOAD),
    "readback": (Lane.SERVER, Lane.PAIR, Lane.LOAD),
}

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
    """The requirements of one level in one row of the ledger, counted by outcome."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    observed: int = 0
    waived: int = 0
    left_out: int = 0
    not_asked: int = 0

    @property
    def open(self) -> int:
        """Return the number of requirements that were asked for and not decided."""
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
        """Return the outcomes other than passed as text: ``1 MUST failed``, ``2 SHOULD not verified``."""
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
    """Return the verdict as one sentence, and asides that qualify it."""
    tone, sentence = _sentence(run, verdict)
    asides = []
    if run.load and not run.load["objective"]["met"]:
        tone, sentence = _without_objective(run, tone, sentence)
        asides.append(f"The load objective was missed: {load.measured(run.load)}.")
    if run.interrupted:
        asides.append("The run was interrupted: these are its results until then.")
    if chosen := _chosen(run, verdict):
        asides.append(chosen)
    if verdict.known and verdict.violations:
        asides.append(f"{_number(len(verdict.known), 'violation')} more in the baseline, not counted.")
    asides += [f"stale baseline: {problem}" for problem in verdict.stale]
    asides += [f"waiver: {problem}" for problem in verdict.bad_waivers]
    asides += [f"Waived: {names}: {why}." for why, names in waived(verdict).items()]
    if verdict.idle_waivers:
        asides.append(f"Waived, but not asked for in this run: {_listed(verdict.idle_waivers)}.")
    if verdict.upcoming:
        asides.append(_upcoming(run, verdict))
    asides += [f"Not tested in {each['name']}: {each['reason']}" for each in run.info.unusable]
    if verdict.errors and verdict.conformant is False:
        asides.append(f"{_number(len(verdict.errors), 'case')} ended in an error and decided nothing.")
    if verdict.warnings:
        warned = _requirements_of(verdict.warnings, verdict)
        asides.append(
            f"{_number(len(verdict.warnings), 'warning')} about {warned}, not counted in the verdict."
        )
    return Headline(tone=tone, sentence=sentence, asides=tuple(asides))


def targets(run: Run) -> Mapping[str, str]:
    """Return the targets that a case has tested, by kind; those of the run's lanes if no case has run."""
    lanes = {r.lane for r in run.results if r.status is not Status.NOT_RUN} or set(run.info.lanes)
    return {
        kind: name for kind, name in run.info.target.items() if lanes & set(_TESTED_IN.get(kind, tuple(Lane)))
    }


def browsers(run: Run) -> str:
    """Return the browsers of a run with their versions, and the protocol unless it is the default."""
    named = ", ".join(f"{browser['name']} {browser['version']}" for browser in run.info.browsers)
    return (
        named if not named or run.info.protocol == DEFAULT_PROTOCOL else f"{named}, over {run.info.protocol}"
    )


def notes(run: Run) -> Mapping[str, str]:
    """Return the remarks on cases that passed, each with the requirements and lanes that it concerns."""
    groups: dict[str, dict[str, None]] = {}
    for result in run.results:
        if result.status is Status.PASS and result.detail:
            groups.setdefault(result.detail, {})[f"{result.requirement} ({result.lane})"] = None
    return {note: ", ".join(about) for note, about in groups.items()}


def drawn(run: Run) -> tuple[str, ...]:
    """Return a line for each lane: the examples drawn, their rate, the least often applicable property."""
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
            f"{least.fuzzed['examined']}, applied to {least.requirement}"
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
    selected = total - sum(row.left_out for row in _binding_rows(run, verdict))
    of_all = of_levels(run, verdict, selected)
    of_all = f"selected {of_all}" if verdict.partial else of_all
    if not passed:
        return "open", f"no verdict: nothing was verified of {selected} {of_all}"
    return "open", f"conformant in everything that was verified: {passed} of {selected} {of_all}"


def _without_objective(run: Run, tone: str, sentence: str) -> tuple[str, str]:
    """Return tone and sentence of a run that missed its load objective: never green, red if it was asked."""
    if run.objective_missed and tone in ("good", "open"):
        return "bad", f"{sentence}, but the load objective was missed"
    return "open" if tone == "good" else tone, sentence


def _conformant(run: Run, verdict: Verdict) -> str:
    excused = _listed(dict.fromkeys(row.id for row in verdict.waived if row.level in binding(run)))
    if not verdict.partial:
        lanes = _listed(run.info.lanes)
        if verdict.waived and excused != _NOTHING:
            others = _every(run, verdict, "every other")
            return f"conformant, with {excused} waived: {others} of {lanes} was verified"
        return f"conformant: {_every(run, verdict, 'every')} of {lanes} was verified"
    passed, total = verified(run, verdict)
    in_part = sum(row.in_part and row.status is Status.PASS for row in _binding_rows(run, verdict))
    remarks = (
        (in_part, f"{in_part} of them in part"),
        (excused != _NOTHING, f"{excused} waived"),
        (not passed, f"what was selected binds less than a {binding(run)[0]}"),
    )
    of_all = of_levels(run, verdict, total)
    qualified = "".join(f", {text}" for applies, text in remarks if applies)
    return f"conformant in what was selected: {passed} of {total} {of_all}{qualified}"


def _every(run: Run, verdict: Verdict, word: str) -> str:
    """Return ``every MUST and SHOULD``; a level that has one requirement only is named by its id."""
    rows = [row for row in _binding_rows(run, verdict) if not row.waived]
    ids = {level: dict.fromkeys(r.id for r in rows if r.level is level) for level in binding(run)}
    several = " and ".join(level for level, own in ids.items() if len(own) > 1)
    single = (next(iter(own)) for own in ids.values() if len(own) == 1)
    return _listed([*([f"{word} {several}"] if several else []), *single])


def of_levels(run: Run, verdict: Verdict, number: int) -> str:
    """Return the levels of the binding requirements: ``MUSTs and SHOULDs``, in the singular for a 1."""
    present = {row.level for row in _binding_rows(run, verdict)}
    return " and ".join(plural(level, number) for level in binding(run) if level in present or not present)


def _chosen(run: Run, verdict: Verdict) -> str:
    """Return the outcomes of the chosen cases as a sentence; empty unless others were left out."""
    asked = [result for result in run.results if not result.not_asked and not result.upcoming]
    chosen = [result for result in asked if result.status is not Status.NOT_RUN]
    if len(chosen) == len(asked) or not chosen:
        return ""
    kinds = Counter(
        "warned" if is_warning(r, verdict) else _PAST.get(r.status, status_word(r.status)) for r in chosen
    )
    counts = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    return f"Of {_number(len(chosen), 'case')} chosen: {counts}."


def _upcoming(run: Run, verdict: Verdict) -> str:
    """Return the outcomes of cases that belong to a later requirement set, as a sentence."""
    kinds = Counter(_PAST.get(r.status, status_word(r.status)) for r in verdict.upcoming)
    counts = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    failed = dict.fromkeys(r.id for r in verdict.upcoming if r.status is Status.FAIL)
    named = f" ({_listed(failed)})" if 0 < len(failed) <= _NAMED else ""
    return (
        f"Upcoming, not in {run.info.requirement_set} and not counted: "
        f"{_number(len(verdict.upcoming), 'case')}, {counts}{named}."
    )


def upcoming_failures(verdict: Verdict) -> tuple[CaseResult, ...]:
    """Return the cases of later requirement sets that failed or ended in an error."""
    return tuple(r for r in verdict.upcoming if r.status in (Status.FAIL, Status.ERROR))


def _requirements_of(results: Sequence[CaseResult], verdict: Verdict) -> str:
    """Name the requirements of these cases in the order of the registry; count them if more than four."""
    named = {result.requirement for result in results}
    known = dict.fromkeys(row.id for row in verdict.requirements if row.id in named)
    ids = dict.fromkeys([*known, *sorted(named)])
    return _listed(ids) if len(ids) <= _NAMED else _number(len(ids), "requirement")


def exit_code(run: Run, verdict: Verdict) -> str:
    """Return the exit code with its meaning, such as ``1 (violation)``."""
    unfinished = ", of a run that was interrupted" if run.interrupted else ""
    words = EXIT_WORDS[verdict.exit_code]
    if verdict.exit_code is Exit.VIOLATION and not verdict.violations:
        stale = "a waiver that does not hold" if verdict.bad_waivers else "stale baseline"
        words = "a missed objective" if run.objective_missed else stale
    if verdict.exit_code is Exit.CONFORMANT and verdict.known:
        words = "no violation except those in the baseline"
    return f"{int(verdict.exit_code)} ({words}{unfinished})"


def _no_verdict(errors: Sequence[CaseResult]) -> str:
    cases = _number(len(errors), "case")
    if any(e.fault is Fault.TARGET for e in errors):
        return f"no verdict: the target could not be run, {cases} ended in an error"
    return f"no verdict: the suite itself failed in {cases}, which says nothing about the target"


def binding(run: Run) -> tuple[Level, ...]:
    """Return the levels that decide the verdict of this run."""
    return (Level.MUST, Level.SHOULD) if run.info.strict else (Level.MUST,)


def verified(run: Run, verdict: Verdict) -> tuple[int, int]:
    """Return the numbers of passed and of all binding requirements; one in two lanes counts twice."""
    rows = _binding_rows(run, verdict)
    return sum(r.status is Status.PASS for r in rows), len(rows)


def _binding_rows(run: Run, verdict: Verdict) -> list[RequirementResult]:
    """Return the requirements that decide this run, without those not asked of the target."""
    asked = (r for r in verdict.requirements if not r.not_asked or r.waived)
    return [r for r in asked if r.level in binding(run)]


def unverified(run: Run, verdict: Verdict) -> tuple[RequirementResult, ...]:
    """Return the binding requirements that were asked for and not decided."""
    return tuple(r for r in verdict.requirements if r.level in binding(run) and r.open)


def waived(verdict: Verdict) -> Mapping[str, str]:
    """Return the waived requirements by reason: ``{"no usage API": "QUOTA-1 (server)"}``."""
    groups: dict[str, list[RequirementResult]] = {}
    for row in verdict.waived:
        groups.setdefault(row.waived, []).append(row)
    return {why: names(rows) for why, rows in groups.items()}


def waiver_of(result: CaseResult, verdict: Verdict) -> str:
    """Return the reason for which a case's requirement is waived in its lane; empty if it is not waived."""
    own = (r for r in verdict.waived if (r.id, r.lane) == (result.requirement, result.lane))
    return next((row.waived for row in own), "")


def by_reason(rows: Iterable[RequirementResult]) -> Mapping[str, str]:
    """Return requirements by reason: ``{"pending: needs a dashboard": "DASH-1, DASH-2 (dashboard)"}``."""
    groups: dict[str, list[RequirementResult]] = {}
    for row in rows:
        groups.setdefault(reason(row), []).append(row)
    return {why: names(members) for why, members in groups.items()}


def names(rows: Iterable[RequirementResult]) -> str:
    """Return ids by lane, as text: ``DASH-1, DASH-2 (dashboard), QUOTA-1 (server)``."""
    lanes: dict[Lane, list[str]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row.id)
    return ", ".join(f"{', '.join(ids)} ({lane})" for lane, ids in lanes.items())


def reason(row: RequirementResult) -> str:
    """Return the reason why a requirement did not pass; empty only if it passed or was observed."""
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
    """Return the family of a requirement, also of one that is not in this registry any more."""
    return requirements[id_].family if id_ in requirements else id_.rpartition("-")[0]


def _count(rows: Iterable[RequirementResult], level: Level) -> Count:
    own = [row for row in rows if row.level is level]
    statuses = [row.status for row in own]
    return Count(
        total=len(statuses),
        passed=statuses.count(Status.PASS),
        failed=statuses.count(Status.FAIL),
        observed=statuses.count(Status.OBSERVED),
        waived=sum(bool(row.waived) for row in own),
        left_out=sum(row.left_out for row in own),
        not_asked=sum(row.not_asked and not row.waived for row in own),
    )


def findings(results: Iterable[CaseResult]) -> Mapping[str, Sequence[Sequence[CaseResult]]]:
    """Group cases by requirement, then by detail; errors are grouped under an empty requirement."""
    groups: dict[str, dict[str, list[CaseResult]]] = {}
    for result in results:
        requirement = "" if result.status is Status.ERROR else result.requirement
        groups.setdefault(requirement, {}).setdefault(result.detail, []).append(result)
    return {requirement: tuple(same.values()) for requirement, same in groups.items()}


def steps(result: CaseResult) -> tuple[tuple[str, object], ...]:
    """Return the evidence of a case in chronological order, each piece with a word that fits the lane."""
    first, second = ("called", "arrived") if result.lane in _IN_BROWSERS else ("sent", "answered")
    when = timeline_text.in_words(result.timeline) if result.timeline else None
    pieces = ((first, result.sent), (second, result.received), (WHEN, when), ("stored", result.stored))
    return tuple((word, "nothing" if value == [] else value) for word, value in pieces if value is not None)


def status_word(status: Status, *, warning: bool = False) -> str:
    """Return the status as a word for people; ``warning`` for a failure that does not count."""
    return "warning" if warning else status.value.replace("-", " ")


def case_word(result: CaseResult, verdict: Verdict) -> str:
    """Return the outcome of a case; ``upcoming`` or ``warning`` if it failed and does not count."""
    if result.upcoming and result.status in (Status.FAIL, Status.ERROR):
        return "upcoming"
    return status_word(result.status, warning=is_warning(result, verdict))


def suite(run: Run) -> str:
    """Return the version of the suite and the requirement set of the run, as text."""
    return f"clickport {run.info.version}, requirements {run.info.requirement_set}"


def row_word(row: RequirementResult) -> str:
    """Return the status of a requirement as a word; one excluded as pending is ``pending``."""
    if row.waived or row.not_asked:
        return "waived" if row.waived else "not asked"
    pending = row.status is Status.EXCLUDED and row.reason.startswith(_PENDING)
    return "pending" if pending else status_word(row.status)


def row_reason(row: RequirementResult) -> str:
    """Return the reason of a requirement's status, for use after ``row_word``."""
    if row.waived:
        return f"{row.waived} ({status_word(row.status)}: {reason(row)})"
    return reason(row).removeprefix(_PENDING) if row_word(row) == "pending" else reason(row)


def is_known(result: CaseResult, verdict: Verdict) -> bool:
    """Return True if this failure is in the baseline."""
    return any(result is k or result == k for k in verdict.known)


def is_warning(result: CaseResult, verdict: Verdict) -> bool:
    """Return True if this case failed and its failure does not count."""
    return any(result is w or result == w for w in verdict.warnings)


def plural(noun: str, number: int) -> str:
    """Return the noun, with an ``s`` unless ``number`` is 1."""
    return noun if number == 1 else f"{noun}s"


def _number(number: int, noun: str) -> str:
    return f"{number} {plural(noun, number)}"


def _listed(items: Iterable[str]) -> str:
    """Join words: ``tracker, server and pair``; ``nothing`` without words."""
    *most, last = tuple(items) or (_NOTHING,)
    return f"{', '.join(most)} and {last}" if most else last
