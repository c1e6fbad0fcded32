"""Write docs/reference.md from the help of the commands and the requirements: ``make reference``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from conformance.cli import main
from conformance.cli.listing import upcoming_mark
from conformance.protocol.cases import catalogue
from conformance.protocol.requirement_sets import current_set
from conformance.protocol.requirements import Requirement, requirements
from reference_server.__main__ import main as reference_server

PLACE = Path(__file__).parents[1] / "docs" / "reference.md"
_LEFT_OUT = ("fuzz search",)  # Its options are those of check, and one for the time.

_TOP = """\
# Options and requirements

This page lists every option of every command, and every requirement. `make reference` generates it from
the help of the commands and from `fixtures/requirements.toml`; change these instead.

- [Commands](#commands)
- [Requirements](#requirements)

## Commands
"""
_REQUIREMENTS = """\
## Requirements

`clickport explain PROP-3` prints a requirement, here PROP-3, with its reason, its cases, an example, and
faults that violate it.

| level | meaning |
|---|---|
| MUST | the protocol's documentation requires it; a failure is a violation |
| SHOULD | a promise of the documentation depends on it; a failure is a warning, with `--strict` a violation |
| MAY | open; the behaviour of the target is reported and never fails |

The third column gives the lanes in which a requirement is checked, each with its number of cases. All belong
to the requirement set {set}, unless marked as upcoming: see [Versions and requirement sets](versioning.md).

| id | level | lanes: cases | requirement |
|---|---|---|---|
"""


def render() -> str:
    """Return the whole page."""
    helps = [f"### clickport {name}\n\n```\n{_help(name, command)}\n```\n" for name, command in _commands()]
    rows = [f"{_row(requirement)}\n" for requirement in requirements().values()]
    about = _REQUIREMENTS.replace("{set}", current_set())
    return "\n".join([_TOP, *helps, about]) + "".join(rows)


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its name, those of a group after the group."""
    context = click.Context(main)  # The commands of `clickport` are imported by name.
    own = {name: main.get_command(context, name) for name in main.list_commands(context)}
    # These commands pass their arguments on.
    handed = {name: reference_server.commands[name] for name in ("serve", "demo", "import")}
    shown = {**{n: c for n, c in own.items() if c}, **handed}
    for name, command in shown.items():
        yield name, command
        if isinstance(command, click.Group):
            inner = ((f"{name} {part}", below) for part, below in command.commands.items())
            yield from ((path, below) for path, below in inner if path not in _LEFT_OUT)


def _help(name: str, command: click.Command) -> str:
    with click.Context(
        command, info_name=f"clickport {name}", max_content_width=100, terminal_width=100
    ) as context:
        return command.get_help(context)


def _row(requirement: Requirement) -> str:
    numbers = {
        lane: sum(case.requirement == requirement.id and case.lane is lane for case in catalogue())
        for lane in requirement.lanes
        if lane not in requirement.excluded
    }
    lanes = ", ".join(f"{lane}: {number or 'pending'}" for lane, number in numbers.items()) or "–"
    what = requirement.what.replace("|", "\\|") + upcoming_mark(requirement.since)
    return f"| {requirement.id} | {requirement.level} | {lanes} | {what} |"


if __name__ == "__main__":
    PLACE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PLACE}\n")
