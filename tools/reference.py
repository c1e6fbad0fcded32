"""Writes docs/reference.md from the commands' help and the registry: ``make reference``."""

import sys
from pathlib import Path

import click

from conformance.cli import main
from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import Requirement, requirements

PLACE = Path(__file__).parents[1] / "docs" / "reference.md"


def render() -> str:
    """The whole page."""
    lines = ["# Reference", "", "Made by `make reference`; edit the options and the registry instead.", ""]
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command and name != "serve":
            lines += [f"## clickport {name}", "", "```", _help(name, command), "```", ""]
    lines += [
        "## Requirements",
        "",
        "MUST: the documentation says so. SHOULD: what it promises breaks without it.",
    ]
    lines += ["MAY: open; what a target does is reported and never failed.", ""]
    lines += ["| id | level | lanes: cases | requirement |", "|---|---|---|---|"]
    lines += [_row(requirement) for requirement in requirements().values()]
    return "\n".join(lines) + "\n"


def _help(name: str, command: click.Command) -> str:
    with click.Context(
        command, info_name=f"clickport {name}", max_content_width=100, terminal_width=100
    ) as context:
        return command.get_help(context)


def _row(requirement: Requirement) -> str:
    numbers = {
        lane: sum(case.requirement == requirement.id and case.lane is lane for case in catalogue())
        for lane in requirement.lanes
    }
    lanes = ", ".join(f"{lane}: {number or 'pending'}" for lane, number in numbers.items())
    what = requirement.what.replace("|", "\\|")
    return f"| {requirement.id} | {requirement.level} | {lanes} | {what} |"


if __name__ == "__main__":
    PLACE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PLACE}\n")
