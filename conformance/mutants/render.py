"""The kill matrix as text, JSON and HTML."""

import json
from collections import Counter
from collections.abc import Iterable

from jinja2 import Environment

from conformance.mutants.implementations import ImplementationKind
from conformance.mutants.matrix import MutantResult
from conformance.mutants.selftest import KillMatrix

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
    return f"{what}  {result.seconds:.0f} s"


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
                }
                for result in matrix.findings
            ],
        },
        indent=1,
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Kill matrix</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  li, td { overflow-wrap: anywhere }
  body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
  table { border-collapse: collapse; width: 100% }
  th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .3rem .6rem;
    text-align: left; vertical-align: top }
  td.killed { color: light-dark(#0a6b34, #6fd99a) }
  td.wrong { color: light-dark(#b00020, #ff8a8a); font-weight: 600 }
</style>
<h1>Kill matrix: {{ matrix.problems | length if matrix.problems else "no" }} problems</h1>
<p>{{ matrix.requirements }} requirements, {{ matrix.cases }} cases, {{ matrix.findings | length }} subjects.
{% if matrix.scope != "whole" %}Mutants met the cases of their own requirement only
{%- if matrix.scope == "quick" %}, in one lane{% endif %}.{% endif %}</p>
{% if matrix.problems %}<ul>{% for problem in matrix.problems %}<li>{{ problem }}{% endfor %}</ul>{% endif %}
<table>
<tr><th>subject<th>must fail<th>tracker<th>server<th>pair<th>dashboard<th>also failed<th>seconds
{% for f in matrix.findings %}
<tr><td>{{ f.subject.name }}<td>{{ f.subject.fails | join(", ") }}
{% for lane in ("tracker", "server", "pair", "dashboard") %}
  {% if lane not in f.subject.lanes %}<td>
  {% elif lane in f.killed %}<td class="killed">✓ killed
  {% elif f.problems %}<td class="wrong">✗ {{ f.outcome }}
  {% else %}<td class="killed">✓ as expected{% endif %}
{% endfor %}
<td>{{ f.others | join(", ") }}<td>{{ f.seconds | round(1) }}
{% endfor %}
</table>
</html>
"""


def as_html(matrix: KillMatrix) -> str:
    """Return the matrix as an HTML document."""
    return Environment(autoescape=True).from_string(_PAGE).render(matrix=matrix)
