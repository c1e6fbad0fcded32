"""``clickport explain``: print one requirement or case with its reason, an example and its mutants."""

import json
from typing import Any

import click

from conformance.cli.listing import upcoming_mark
from conformance.mutants.implementations import Implementation, subjects
from conformance.protocol.cases import Case, UnknownSelector, catalogue
from conformance.protocol.requirements import Requirement, requirements

_SHOWN = 160


@click.command(short_help="Explain a requirement or a case.")
@click.argument("id_", metavar="ID")
def explain(id_: str) -> None:
    """Explain a requirement (PROP-3) or a case (tracker/prop-3-2001-characters).

    Prints the sentence, why it matters in data, the cases, a call or request with its expected result, and
    the mutants that the checks are proved to notice.
    """
    named = requirements().get(id_.upper())
    cases = [c for c in catalogue() if c.requirement == id_.upper() or id_ in (c.id, c.id.partition("/")[2])]
    if not named and not cases:
        known = [*requirements(), *(name for case in catalogue() for name in case.id.partition("/")[::2])]
        raise click.UsageError(str(UnknownSelector(id_, known)))
    requirement = named or requirements()[cases[0].requirement]
    click.echo(
        "\n".join([*_head(requirement), "", *_cases(requirement, cases), *_examples(requirement, cases)])
    )


def _head(requirement: Requirement) -> list[str]:
    lanes = ", ".join(requirement.lanes)
    return [
        f"{requirement.id}  {requirement.level}  ({lanes}){upcoming_mark(requirement.since)}",
        requirement.what,
        f"Why: {requirement.why}",
        *([f"Source: {requirement.source}"] if requirement.source else []),
    ]


def _cases(requirement: Requirement, cases: list[Case]) -> list[str]:
    lines = ["Cases:" if cases else "Cases: none yet"]
    named: dict[str, list[Case]] = {}
    for case in cases:
        named.setdefault(case.id.partition("/")[2], []).append(case)
    for name, same in named.items():
        lanes = ", ".join(case.lane for case in same)
        level = f" ({same[0].level})" if same[0].level is not requirement.level else ""
        mark = upcoming_mark(same[0].since)
        lines.append(f"  {name} ({lanes}){level}{mark}: {same[0].what or same[0].why}")
    lines += [f"  not in the {lane} lane: {reason}" for lane, reason in requirement.excluded.items()]
    return [*lines, ""]


def _examples(requirement: Requirement, cases: list[Case]) -> list[str]:
    vector = next((case.vector for case in cases if case.vector), None)
    lines = []
    if vector and "call" in vector:
        expected = vector.get("payload") or vector.get("row")
        lines += [
            "Good:",
            f"  {_cut(vector['call'])}",
            f"  → {_cut(_readable(expected))}",
        ]
    elif vector:
        expected = vector.get("rows", vector.get("status"))
        lines += ["Good:", f"  {_cut(_readable(vector['request']))}", f"  → {_cut(_readable(expected))}"]
    mutants = [s for s in subjects() if s.edit and requirement.id in s.fails]
    lines += ["Bad (faults that the checks are seen to notice):"] if mutants else ["Bad: no mutant yet"]
    return [*lines, *(line for mutant in mutants for line in _mutant(mutant))]


def _mutant(mutant: Implementation) -> list[str]:
    assert mutant.edit
    old, new = (_cut(" ".join(text.split())) for text in (mutant.edit.find, mutant.edit.replace))
    return [f"  {mutant.name} ({', '.join(mutant.lanes)})", f"    - {old}", f"    + {new}"]


def _readable(value: Any) -> str:
    """Return a vector's value with its matchers (see ``matching.py``) in words."""
    match value:
        case {"$repeat": [text, times]}:
            return f"{_readable(text)} × {times}"
        case {"$join": [*parts]}:
            return " + ".join(map(_readable, parts))
        case {"$series": [text, count]}:
            return f'"{text}0" … "{text}{count - 1}"'
        case {"$any": [*choices]}:
            return " or ".join(map(_readable, choices))
        case {"$noted": [note, noted]}:
            return f"{_readable(noted)} (remark: {note})"
        case {"$absent": True} | {"$empty": True}:
            return "nothing"
        case {"$string": True}:
            return "any well-formed text"
        case {"$number": True}:
            return "any number"
        case dict():
            return "{" + ", ".join(f"{_readable(k)}: {_readable(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_readable, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
