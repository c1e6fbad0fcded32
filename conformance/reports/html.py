"""The HTML report: one file that loads nothing and is readable without its script."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance.protocol.requirements import Lane, Level, Requirement, requirements_of
from conformance.reports import delivery, load, summary, timeline_text
from conformance.reports.pictures import is_blank
from conformance.reports.plots import plots
from conformance.reports.text import cut, one_line, show, visible
from conformance.results.record import Run
from conformance.results.redaction import masked
from conformance.results.verdict import CaseResult, RequirementResult, Status, Verdict

_HERE = Path(__file__).resolve().parent
_ID = re.compile(r"\b[A-Z]{2,12}-[0-9]{1,4}\b")
SYMBOLS = {
    "pass": "✓",
    "fail": "✕",
    "warning": "!",
    "upcoming": "!",
    "error": "⚠",
    "observed": "◉",
    "not testable": "○",
    "not run": "○",
    "excluded": "○",
    "pending": "○",
    "waived": "○",
    "not asked": "○",
    "not selected": "○",
    "known": "✕",
    "open": "◉",
}
# The worst first: a requirement is coloured by the first of these statuses that one of its lanes has.
_WORST = (
    *("fail", "error", "warning", "not testable", "not run", "pending", "excluded", "waived", "observed"),
    *("pass", "not asked", "upcoming"),
)


def render(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> str:
    """Return the HTML document. Evidence is escaped, and the document's CSP allows only its own script."""
    style, script = own("family.css") + own("report.css"), own("report.js")
    return (
        environment()
        .get_template("report.html")
        .render(
            style=style,
            script=script,
            policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"img-src data:; style-src '{digest(style)}'; script-src '{digest(script)}'",
            symbols=SYMBOLS,
            **_model(run, verdict, requirements),
        )
    )


@cache
def environment(*folders: Path) -> Environment:
    """Return the environment of templates in these folders and that of the reports; text is escaped."""
    made = Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"visible": visible, "ids": unbroken_ids}
    return made


def own(name: str) -> Markup:
    """Return a file of this folder as markup, the only text that is not escaped."""
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of ours, not of a target


def unbroken_ids(text: str) -> Markup:
    """Escape a text and mark the ids of requirements in it, which no line break may divide."""
    return Markup(_ID.sub(r'<span class="id">\g<0></span>', str(escape(text))))  # noqa: S704 - escaped


def digest(text: str) -> str:
    """Return the source expression by which a CSP allows this inline style or script."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def _model(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> dict[str, Any]:
    cases = [_case(number, r, verdict, requirements) for number, r in enumerate(run.results, start=1)]
    anchors: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        anchors.setdefault(case["id"], []).append(case)
    passed, total = summary.verified(run, verdict)
    headline = summary.headline(run, verdict)
    return {
        "headline": headline,
        "sentence": headline.sentence[0].upper() + headline.sentence[1:] + ".",
        "exit": summary.exit_code(run, verdict),
        "levels": summary.of_levels(run, verdict, total),
        "passed": passed,
        "total": total,
        "about": list(_about(run)),
        "scope": [_scope(lane, run, verdict) for lane in run.info.lanes],
        "unverified": summary.by_reason(summary.unverified(run, verdict)),
        "load": load_section(run),
        "matrix": delivery.matrix(run, verdict),
        "groups": _groups(cases),
        "lanes": [str(lane) for lane in run.info.lanes],
        "ledger": _ledger(verdict, requirements),
        "families": _families(verdict, requirements, anchors),
        "cases": cases,
        "ran": sum(case["status"] != "not run" for case in cases),
        "statuses": [s for s in _WORST if any(case["status"] == s for case in cases)],
    }


def load_section(run: Run) -> dict[str, Any] | None:
    """Return the variable ``load`` of load.html: figures, plots and yardsticks of a load run, or None."""
    if run.load is None:
        return None
    rows, remarks = load.yardsticks(run.load)
    return {
        "figures": load.figures(run.load),
        "missed": load.missed(run.load),
        "plots": plots(run.load),
        "yardsticks": rows,
        "remarks": remarks,
    }


def _about(run: Run) -> Iterator[tuple[str, str]]:
    for kind, name in summary.targets(run).items():
        yield kind.capitalize(), visible(masked(name))
    if browsers := summary.browsers(run):
        yield "Browsers", visible(browsers)
    yield "Run", _moments(run)
    yield "Suite", f"clickport {run.info.version}"
    number = len(requirements_of(run.info.requirement_set))
    yield "Requirement set", f"{run.info.requirement_set}, {number} requirements"


def _moments(run: Run) -> str:
    try:
        start = datetime.fromisoformat(run.info.started)
        shown = f"{start:%Y-%m-%d %H:%M} {start:%Z}".strip()
        seconds = (datetime.fromisoformat(run.finished) - start).total_seconds() if run.finished else None
    except ValueError:
        return visible(run.info.started)
    if seconds is None:
        return shown
    return f"{shown}, {seconds:.1f} s" if seconds < 60 else f"{shown}, {seconds / 60:.1f} min"


def _scope(lane: Lane, run: Run, verdict: Verdict) -> dict[str, Any]:
    rows = [r for r in verdict.requirements if r.lane is lane and r.level in summary.binding(run)]
    undecided = summary.unverified(run, verdict)
    return {
        "lane": str(lane),
        "verified": [r.id for r in rows if r.status is Status.PASS],
        "violated": [r.id for r in rows if r.status is Status.FAIL],
        "unverified": [r.id for r in rows if r in undecided],
        "waived": [r.id for r in verdict.waived if r.lane is lane],
        "left_out": [r.id for r in rows if r.left_out],
    }


def _case(
    number: int, result: CaseResult, verdict: Verdict, requirements: Mapping[str, Requirement]
) -> dict[str, Any]:
    known = requirements.get(result.requirement)
    status = summary.case_word(result, verdict)
    browser = result.browser or ""
    words = (
        result.id,
        result.requirement,
        result.level,
        result.lane,
        browser,
        status,
        cut(result.detail, 300),
    )
    return {
        "anchor": f"case-{number}",
        "id": one_line(result.id),
        "requirement": one_line(result.requirement),
        "what": known.what if known else "",
        "level": str(result.level),
        "lane": str(result.lane),
        "browser": one_line(browser),
        "status": status,
        "fault": str(result.fault or ""),
        "brief": one_line(cut(result.detail, 160)),
        "detail": visible(cut(result.detail)),
        "steps": [(word, show(value, width=72)) for word, value in summary.steps(result)],
        "bars": _bars(result.timeline) if result.timeline else None,
        "screenshot": result.screenshot,
        "blank": is_blank(result.screenshot),
        "repro": visible(result.repro),
        "words": one_line(" ".join(words)).lower(),
    }


def _bars(timeline: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bar for each request, on a scale of 1,000 units that ends 4 % after the last moment."""
    end_of_all = max(*(at for at, _ in timeline_text.moments(timeline)), 1) * 1.04
    unit = 1000 / end_of_all

    def at(moment: float) -> float:
        return round(moment * unit, 1)

    def bar(request: Mapping[str, Any]) -> dict[str, Any]:
        fate = "lost" if request["closed"] is not None else "kept"
        end = request["answered"] if request["answered"] is not None else request["closed"]
        start, stop = at(request["first"]), 1000.0 if end is None else at(end)
        return {
            "name": one_line(timeline_text.name_of(request)),
            "kind": "control" if request["control"] else fate,
            "x": start,
            "width": max(round(stop - start, 1), 4),  # A short request must be visible.
        }

    return {
        "gone": None if timeline["gone"] is None else at(timeline["gone"]),
        "bars": [bar(request) for request in timeline["requests"]],
        "last": f"{end_of_all:.0f} ms",
        "start": timeline["from"],
    }


def _groups(cases: Iterable[dict[str, Any]]) -> list[tuple[str, str, dict[str, list[dict[str, Any]]]]]:
    """Return violations, errors, warnings and upcoming failures, in this order, by requirement."""
    pressing: dict[str, dict[str, list[dict[str, Any]]]]
    pressing = {"fail": {}, "error": {}, "warning": {}, "upcoming": {}}
    for case in cases:
        if case["status"] in pressing:
            pressing[case["status"]].setdefault(case["requirement"], []).append(case)
    titles = ("Violations", "Errors", "Warnings", "Upcoming")
    return [
        (kind, title, members)
        for (kind, members), title in zip(pressing.items(), titles, strict=True)
        if members
    ]


def _ledger(
    verdict: Verdict, requirements: Mapping[str, Requirement]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the cells of the ledger, by family and lane."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for row in summary.ledger(verdict, requirements):
        table.setdefault(row.family, {})[row.lane] = {
            "mark": _mark(row.counts),
            "counts": [
                {
                    "level": str(level),
                    "share": f"{count.observed if level is Level.MAY else count.passed}/{count.total}",
                    "failed": f", {count.failed} failed" if count.failed else "",
                    "note": _note(level, count),
                }
                for level, count in row.counts.items()
                if count.total
            ],
        }
    return table


def _note(level: Level, count: summary.Count) -> str:
    if level is Level.MAY:
        return " observed"
    counts = {"not verified": count.open, "waived": count.waived, "not selected": count.left_out}
    all_of = next((word for word, number in counts.items() if number == count.total), "")
    return f" {all_of}" if all_of else "".join(f", {n} {word}" for word, n in counts.items() if n)


def _mark(counts: Mapping[Level, summary.Count]) -> str:
    must, should = counts[Level.MUST], counts[Level.SHOULD]
    if must.failed:
        return "fail"
    if should.failed:
        return "warning"
    # SHOULDs decide the sign only if there is no MUST; MAYs never do.
    deciding = must if must.total else should
    return "pass" if deciding.passed and not deciding.open else "not run"


def _families(
    verdict: Verdict, requirements: Mapping[str, Requirement], anchors: Mapping[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the requirements by family, each with a row for each of its lanes."""
    rows: dict[str, list[RequirementResult]] = {}
    for row in verdict.requirements:
        rows.setdefault(row.id, []).append(row)
    warned = {w.requirement for w in verdict.warnings}
    families: dict[str, list[dict[str, Any]]] = {}
    for id_, lanes in rows.items():
        known = requirements.get(id_)
        shown = [_lane(row, anchors, warned) for row in lanes]
        families.setdefault(summary.family(id_, requirements), []).append(
            {
                "id": id_,
                "level": str(lanes[0].level),
                "what": known.what if known else "",
                "why": known.why if known else "",
                "lanes": shown,
                "status": min((lane["status"] for lane in shown), key=_WORST.index),
            }
        )
    return families


def _lane(
    row: RequirementResult, anchors: Mapping[str, list[dict[str, Any]]], warned: Iterable[str]
) -> dict[str, Any]:
    warning = row.status is Status.FAIL and row.level is not Level.MUST and row.id in warned
    return {
        "name": str(row.lane),
        "status": "warning" if warning else summary.row_word(row),
        "reason": visible(cut(summary.row_reason(row), 600)),
        "cases": [case for id_ in row.cases for case in anchors.get(one_line(id_), [])],
    }
