"""The kill matrix as text, JSON and HTML."""

import json
from collections import Counter
from collections.abc import Iterable

from conformance import __version__
from conformance.mutants.implementations import ImplementationKind
from conformance.mutants.matrix import MutantResult
from conformance.mutants.selftest import KillMatrix
from conformance.protocol.requirement_sets import current_set
from conformance.reports import html

_SHOWN = 30


def line(result: MutantResult) -> str:
    """Return a trial's result on one line."""
    what = f"{result.subject.name}: {result.outcome}"
    if result.subject.kind is ImplementationKind.MUTANT:
        killed = ", ".join(result.killed) or "nowhere"
        what += f" by {result.subject.fails[0]} in {killed}"
    if result.survived and result.subject.kind is ImplementationKind.MUTANT:
        what += f", NOT in {', '.join(result.survived)}"
    if result.others and result.subject.kind is ImplementationKind.MUTANT:
        what += f" (also {', '.join(result.others)})"
    return f"{what}  {'unchanged' if result.kept else f'{result.seconds:.0f} s'}"


def as_text(matrix: KillMatrix) -> str:
    """Return the matrix by requirement, then the problems, then a summary."""
    lines = ["Requirement  lanes                    killed  by"]
    rows: dict[str, list[MutantResult]] = {}
    for result in matrix.findings:
        if result.subject.kind is ImplementationKind.MUTANT:
            rows.setdefault(result.subject.fails[0], []).append(result)
    for id_, own in rows.items():
        killed = sum(result.outcome == "killed" for result in own)
        lanes = ", ".join(dict.fromkeys(lane for result in own for lane in result.killed))
        lines.append(f"{id_:<12} {lanes:<24} {killed}/{len(own):<5} {_names(own)}")
    mutants = [f for own in rows.values() for f in own]
    shown = matrix.problems[:_SHOWN]
    lines += ["", *(f"PROBLEM  {problem}" for problem in shown)]
    if len(matrix.problems) > len(shown):
        lines.append(f"and {len(matrix.problems) - len(shown)} more (--report json=PATH lists all)")
    kinds = Counter(
        str(f.subject.kind) for f in matrix.findings if f.subject.kind is not ImplementationKind.MUTANT
    )
    others = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    killed = sum(result.outcome == "killed" for result in mutants)
    lines.append(
        f"{matrix.requirements} requirements, {matrix.cases} cases, {len(mutants)} mutants: {killed} killed "
        f"by their own requirement; other implementations: {others or 'none'}"
    )
    if unchanged := sum(result.kept for result in matrix.findings):
        lines.append(f"{unchanged} results are of earlier runs on the same sources")
    lines.append("no problems" if not matrix.problems else f"{len(matrix.problems)} problems")
    return "\n".join(lines)


def _names(findings: Iterable[MutantResult]) -> str:
    """Return the names of mutants; those that share a run as one name with their number."""
    names = [f"{f.subject.lanes[0]}-transforms-*" if f.subject.rows else f.subject.name for f in findings]
    return ", ".join(name if times == 1 else f"{name} ({times})" for name, times in Counter(names).items())


def as_json(matrix: KillMatrix) -> str:
    """Return the matrix as JSON."""
    return json.dumps(
        {
            "ok": not matrix.problems,
            "suite": {"version": __version__, "set": current_set()},
            "scope": matrix.scope,
            "requirements": matrix.requirements,
            "cases": matrix.cases,
            "problems": matrix.problems,
            "subjects": [
                {
                    "name": result.subject.name,
                    "kind": result.subject.kind,
                    "lanes": result.subject.lanes,
                    "fails": result.subject.fails,
                    "outcome": result.outcome,
                    "killed": result.killed,
                    "survived": result.survived,
                    "others": result.others,
                    "problems": result.problems,
                    "seconds": round(result.seconds, 1),
                    "kept": result.kept,
                }
                for result in matrix.findings
            ],
        },
        indent=1,
    )


def as_html(matrix: KillMatrix) -> str:
    """Return the matrix as an HTML document."""
    style = html.own("family.css")
    page = html.environment().get_template("kill_page.html")
    policy = f"default-src 'none'; style-src '{html.digest(style)}'"
    return page.render(matrix=json.loads(as_json(matrix)), style=style, policy=policy)
