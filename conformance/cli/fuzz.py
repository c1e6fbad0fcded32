"""``clickport fuzz``: search for counterexamples without an end, and turn one into a vector."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from conformance.cli.check import output_options, target_options
from conformance.cli.execute import execute
from conformance.results import counterexamples as store
from conformance.results.verdict import CaseResult, Part
from conformance.search import promote

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def duration(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Return the seconds of ``90s``, ``10m`` or ``1h``, None if not given. Raises click.BadParameter."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)([smh])", text)
    if not match:
        raise click.BadParameter(f"{text!r} is not a duration: write 90s, 10m or 1h", context, parameter)
    return int(match[1]) * _SECONDS[match[2]]


class _SearchByDefault(click.Group):
    """A group that runs ``clickport fuzz TARGET`` as ``clickport fuzz search TARGET``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["search", *args]
        return super().parse_args(ctx, args)


class _SearchListener:
    """A run listener that prints only the start: the search reports its own progress."""

    def start(self, expected: Mapping[Part, int]) -> None:
        """Print the number of properties."""
        total = sum(expected.values())
        click.echo(f"searching for counterexamples to {total} properties; Ctrl-C ends it", err=True)

    def case_done(self, result: CaseResult) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@click.group(
    "fuzz", cls=_SearchByDefault, short_help="Search for calls and requests that break a requirement."
)
def fuzz() -> None:
    """Search for calls and requests that break a requirement, for as long as you like.

    \b
    clickport fuzz --for 10m                        the bundled reference, ten minutes a lane
    clickport fuzz dist/t.js --for 10m              a tracker
    clickport fuzz http://127.0.0.1:8000 --for 1h --clickhouse http://127.0.0.1:8123
    clickport fuzz promote 'PROP-3#c3f1' --why "…"  turn a counterexample into a vector

    Each counterexample is shrunk, printed with an id, and tried first by the next `check` and `fuzz`.
    Options, reports and exit codes are those of `check`: see `clickport fuzz search --help`.
    """


@fuzz.command("search", short_help="Run the search (the default).")
@click.argument("target", required=False)
@target_options
@click.option(
    "--for",
    "seconds",
    callback=duration,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long to search in each lane: 90s, 10m, 1h.",
)
@output_options
def search(
    target: str | None,
    seconds: int,
    reports: tuple[str, ...],
    run_record: Path,
    config: Path | None,
    **given: Any,
) -> None:
    """Draw examples for TARGET (a tracker's script or a server's URL) until the time is up."""
    if target:
        kind = (
            "server"
            if target.startswith(("http://", "https://")) and not target.endswith(".js")
            else "tracker"
        )
        if given[kind]:
            raise click.UsageError(f"{target} and --{kind} {given[kind]} exclude each other: give one")
        given[kind] = target
    given |= {"fuzz_seconds": seconds, "only": given["only"] or ("*-fuzz*",)}
    execute(given, jobs=1, reports=reports, run_record=run_record, config=config, watcher=_SearchListener())


@fuzz.command("promote", short_help="Turn a counterexample into a vector.")
@click.argument("id_", metavar="ID")
@click.option(
    "--why", required=True, metavar="TEXT", help="What goes wrong in a site's data without the vector."
)
@click.option(
    "--slug", metavar="NAME", help="The last part of the vector's id.  [default: the counterexample's number]"
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file of vectors to append to.  [default: that of its family in this source tree]",
)
@click.option(
    "--counterexamples",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default="clickport-counterexamples.jsonl",
    show_default=True,
    help="The file of counterexamples.",
)
def promote_(id_: str, why: str, slug: str | None, into: Path | None, counterexamples: Path) -> None:
    """Write counterexample ID (such as PROP-3#c3f1) as a vector, with the values its requirement expects."""
    try:
        kept = {counterexample.id: counterexample for counterexample in store.read(counterexamples)}
        if id_ not in kept:
            known = ", ".join(kept) or "none"
            raise click.UsageError(f"{id_!r} is not in {counterexamples}, which has {known}")
        vector = promote.vector(kept[id_], why=why, slug=slug)
        path = promote.append(vector, kept[id_], into)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"wrote {vector['id']} to {path}: read it, and see it fail before you rely on it")
