"""Workflow commands of GitHub Actions: one annotation for each violated requirement, or for the whole run.

A job that prints them shows them beside the changed files. Text from a target is escaped, so that it cannot
end a command or begin another.
"""

from collections.abc import Iterator, Mapping, Sequence

from conformance.protocol.requirements import Requirement
from conformance.reports import summary
from conformance.reports.text import cut, one_line, visible
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Exit, Verdict

# GitHub shows 10 annotations of a step and of each kind.
_SHOWN = 10
_DETAIL_LIMIT = 600


def render(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> str:
    """Return the commands, one a line; none for a conformant run without warnings."""
    lines = [*_violations(run, verdict, requirements), *_whole(run, verdict), *_warnings(verdict)]
    return "".join(f"{line}\n" for line in lines)


def _violations(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> Iterator[str]:
    groups: dict[str, list[CaseResult]] = {}
    for result in verdict.violations:
        groups.setdefault(result.requirement, []).append(result)
    for id_, cases in list(groups.items())[: _SHOWN - 1]:
        what = requirements[id_].what if id_ in requirements else ""
        yield _command("error", _title(id_, cases), _text(what, cases), place=_place(run))
    if rest := list(groups)[_SHOWN - 1 :]:
        yield _command("error", f"clickport: {len(rest)} more requirements are violated", ", ".join(rest))


def _whole(run: Run, verdict: Verdict) -> Iterator[str]:
    """Yield an annotation for a run that failed without a violation, with the reasons."""
    if verdict.violations or verdict.exit_code is Exit.CONFORMANT:
        return
    headline = summary.headline(run, verdict)
    open_ = summary.by_reason(summary.unverified(run, verdict))
    reasons = [*headline.asides, *(f"{names}: {why}" for why, names in open_.items())]
    reasons += list(dict.fromkeys(result.detail for result in verdict.errors))[:_SHOWN]
    title = f"clickport: exit code {summary.exit_code(run, verdict)}"
    yield _command("error", title, "\n".join([headline.sentence, *reasons]))


def _warnings(verdict: Verdict) -> Iterator[str]:
    if verdict.warnings:
        ids = ", ".join(dict.fromkeys(result.requirement for result in verdict.warnings))
        yield _command("warning", f"clickport: {ids}", "These SHOULDs fail and do not count in the verdict.")


def _title(id_: str, cases: Sequence[CaseResult]) -> str:
    lanes = ", ".join(dict.fromkeys(str(case.lane) for case in cases))
    return f"{id_} {cases[0].level} ({lanes})"


def _text(what: str, cases: Sequence[CaseResult]) -> str:
    others = len(cases) - 1
    more = [f"and {others} more {summary.plural('case', others)}"] if others else []
    return "\n".join([what, f"{cases[0].id}: {cases[0].detail}", *more, f"Repeat: {cases[0].repro}"])


def _place(run: Run) -> str:
    """Return the path of the tracker under test, or "" for a URL, a server or the bundled reference."""
    place = str(run.info.options.get("tracker") or "")
    return "" if "://" in place else place


def _command(kind: str, title: str, text: str, *, place: str = "") -> str:
    """Return a workflow command; in its properties, commas and colons are escaped as well."""
    properties = {"file": place, "title": title}
    written = ",".join(
        f"{name}={_escape(one_line(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
        if value
    )
    return f"::{kind} {written}::{_escape(visible(cut(text, _DETAIL_LIMIT)))}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
