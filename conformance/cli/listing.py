"""``clickport list``: print the requirements and their cases."""

import click

from conformance.protocol.cases import UnknownSelector, catalogue, select
from conformance.protocol.requirement_sets import belongs, current_set
from conformance.protocol.requirements import Lane, requirements


@click.command("list", short_help="List requirements and their cases.")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@click.option("--cases", is_flag=True, help="Print each requirement's cases and their reasons, too.")
def list_(patterns: tuple[str, ...], cases: bool) -> None:
    """List all requirements, or those whose id or case ids match a GLOB, such as 'prop-*'."""
    try:
        chosen, _ = select(lanes=Lane, only=patterns)
    except UnknownSelector as error:
        raise click.UsageError(str(error)) from error
    named = {case.requirement for case in chosen}
    if not patterns:
        named = set(requirements())
    for requirement in requirements().values():
        if requirement.id not in named and requirement.id not in {p.upper() for p in patterns}:
            continue
        lanes = ", ".join(
            _lane(lane, requirement.id, lane in requirement.excluded) for lane in requirement.lanes
        )
        upcoming = upcoming_mark(requirement.since)
        click.echo(f"{requirement.id:<9}{requirement.level:<8}{requirement.what}{upcoming}")
        click.echo(f"{'':<17}{lanes}")
        if cases:
            for case in (case for case in chosen if case.requirement == requirement.id):
                click.echo(f"{'':<17}{case.id}: {case.why}{upcoming_mark(case.since)}")


def upcoming_mark(since: str) -> str:
    """Return " (upcoming: 2026-2)" for a requirement or case of a later set than the current one, or ""."""
    return "" if belongs(since, current_set()) else f" (upcoming: {since})"


def _lane(lane: Lane, requirement: str, excluded: bool) -> str:
    if excluded:
        return f"{lane}: none yet"
    number = sum(case.lane is lane and case.requirement == requirement for case in catalogue())
    return f"{lane}: {number} case{'s' * (number != 1)}"
