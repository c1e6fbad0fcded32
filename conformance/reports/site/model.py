"""The tables of a results site: current results, history of cases, differences of runs. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from conformance.protocol.requirement_sets import latest
from conformance.protocol.requirements import Lane, requirements_of
from conformance.reports import summary
from conformance.reports.site.records import Records, RunEntry
from conformance.results.verdict import Status

NOT_RUN = "not run"
_BAD = ("fail", "error", "upcoming", "warning")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The result of a requirement in a lane of an implementation, and the run that it is from."""

    lane: Lane
    status: str
    run: str


@dataclass(frozen=True, kw_only=True)
class RequirementRow:
    """A requirement, with the marks of each implementation in the order of the columns."""

    id: str
    level: str
    what: str
    cells: tuple[tuple[Mark, ...], ...]


@dataclass(frozen=True, kw_only=True)
class History:
    """The outcomes of a case in the runs of an implementation, the oldest first."""

    id: str
    browser: str
    words: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Return True if two runs that tried the case had different outcomes."""
        return len({word for word in self.words if word != NOT_RUN}) > 1


@dataclass(frozen=True, kw_only=True)
class Change:
    """A case whose outcome differs between two runs."""

    id: str
    browser: str
    requirement: str
    before: str
    after: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference of two runs; ``same`` counts the cases that both tried with the same outcome."""

    before: RunEntry
    after: RunEntry
    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    other: tuple[Change, ...]
    same: int

    @property
    def id(self) -> str:
        """Return the name of its page."""
        return f"{self.before.id}..{self.after.id}"


def current(runs: Sequence[RunEntry]) -> Mapping[Lane, RunEntry]:
    """Return the run that speaks for each lane of an implementation: the latest whole one, or the latest."""
    chosen: dict[Lane, RunEntry] = {}
    for entry in runs:
        for lane in entry.lanes:
            whole = lane in chosen and not chosen[lane].verdict.partial
            if not (whole and entry.verdict.partial):
                chosen[lane] = entry
    return {lane: chosen[lane] for lane in Lane if lane in chosen}


def matrix(records: Records) -> Mapping[str, Sequence[RequirementRow]]:
    """Return the rows of the matrix by family; the columns are ``records.names``."""
    if not records.runs:
        return {}
    columns = [_marks(current(records.of(name))) for name in records.names]
    set_ = latest(*(entry.run.info.requirement_set for entry in records.runs))
    families: dict[str, list[RequirementRow]] = {}
    for id_, requirement in requirements_of(set_).items():
        row = RequirementRow(
            id=id_,
            level=str(requirement.level),
            what=requirement.what,
            cells=tuple(tuple(column.get(id_, ())) for column in columns),
        )
        families.setdefault(requirement.family, []).append(row)
    return families


def _marks(runs: Mapping[Lane, RunEntry]) -> Mapping[str, Sequence[Mark]]:
    marks: dict[str, list[Mark]] = {}
    for lane, entry in runs.items():
        warned = {(w.requirement, w.lane) for w in entry.verdict.warnings}
        for row in entry.verdict.requirements:
            if row.lane is lane:
                failed = row.status is Status.FAIL and (row.id, lane) in warned
                status = "warning" if failed else summary.row_word(row)
                marks.setdefault(row.id, []).append(Mark(lane=lane, status=status, run=entry.id))
    return marks


def outcomes(entry: RunEntry) -> Mapping[tuple[str, str], str]:
    """Return the outcome of each case of a run, by id and browser."""
    return {(r.id, r.browser or ""): summary.case_word(r, entry.verdict) for r in entry.run.results}


def histories(runs: Sequence[RunEntry]) -> tuple[History, ...]:
    """Return the history of each case that a run has tried, in the order in which the cases appear."""
    words = [outcomes(entry) for entry in runs]
    keys = dict.fromkeys(key for own in words for key, word in own.items() if word != NOT_RUN)
    return tuple(
        History(id=id_, browser=browser, words=tuple(own.get((id_, browser), NOT_RUN) for own in words))
        for id_, browser in keys
    )


def difference(before: RunEntry, after: RunEntry) -> Difference:
    """Return the cases whose outcome differs; cases that one of the runs did not try are left out."""
    first, second = outcomes(before), outcomes(after)
    results = {(r.id, r.browser or ""): r for r in after.run.results}
    changes: dict[str, list[Change]] = {"worse": [], "better": [], "other": []}
    same = 0
    for key, word in second.items():
        if NOT_RUN in (word, first.get(key, NOT_RUN)):
            continue
        if first[key] == word:
            same += 1
            continue
        kind = "worse" if word in _BAD else "better" if first[key] in _BAD else "other"
        result = results[key]
        changes[kind].append(
            Change(
                id=key[0],
                browser=key[1],
                requirement=result.requirement,
                before=first[key],
                after=word,
                detail=result.detail,
            )
        )
    return Difference(
        before=before, after=after, same=same, **{kind: tuple(own) for kind, own in changes.items()}
    )


def differences(records: Records) -> tuple[Difference, ...]:
    """Return the differences of consecutive runs of an implementation, and of the latest runs of any two.

    Runs are compared if they have a lane in common.
    """
    pairs: dict[tuple[str, str], tuple[RunEntry, RunEntry]] = {}
    for name in records.names:
        for lane in Lane:
            own = [entry for entry in records.of(name) if lane in entry.lanes]
            pairs |= {(a.id, b.id): (a, b) for a, b in pairwise(own)}
    for one, other in combinations(records.names, 2):
        first, second = current(records.of(one)), current(records.of(other))
        pairs |= {(first[k].id, second[k].id): (first[k], second[k]) for k in first if k in second}
    return tuple(difference(before, after) for before, after in pairs.values())


def suites(records: Records) -> Mapping[str, Records]:
    """Return the runs by suite version and requirement set, the newest last."""
    names: Iterable[str] = dict.fromkeys(entry.suite for entry in records.runs)
    return {name: Records(runs=tuple(e for e in records.runs if e.suite == name), kills=()) for name in names}
