"""``clickport fuzz``: an open-ended search for what breaks a requirement, and finds made into vectors."""

import re
from pathlib import Path
from typing import Any

import click

from conformance.cli.check import output_options, target_options
from conformance.cli.execute import execute
from conformance.results import counterexamples as store
from conformance.results.verdict import CaseResult
from conformance.search import promote

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _duration(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """Seconds of 90s, 10m or 1h. Raises click.BadParameter."""
    found = re.fullmatch(r"([1-9]\d*)([smh])", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no duration: write 90s, 10m or 1h", context, parameter)
    return int(found[1]) * _SECONDS[found[2]]


class _SearchByDefault(click.Group):
    """``clickport fuzz TARGET`` is ``clickport fuzz search TARGET``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["search", *args]
        return super().parse_args(ctx, args)


class _Quiet:
    """The search tells how it gets on by itself."""

    def start(self, total: int) -> None:
        """Say what is searched for."""
        click.echo(f"searching for what breaks {total} properties; Ctrl-C ends it", err=True)

    def case_done(self, result: CaseResult) -> None:
        """Nothing: the lane has been told of."""

    def stop(self) -> None:
        """Nothing is shown that would have to be taken away."""


@click.group("fuzz", cls=_SearchByDefault, short_help="Search for what breaks a requirement.")
def fuzz() -> None:
    """Search for what breaks a requirement, for as long as you like.

    \b
    clickport fuzz --for 10m                        the bundled reference, ten minutes a lane
    clickport fuzz dist/t.js --for 10m              a tracker
    clickport fuzz http://127.0.0.1:8000 --for 1h --clickhouse http://127.0.0.1:8123
    clickport fuzz promote 'PROP-3#c3f1' --why "…"  a find made into a vector

    What is found is shrunk, printed with an id, and tried first by the next `check` and `fuzz`. Options,
    reports and exit codes of a search are those of `check`: see `clickport fuzz search --help`.
    """


@fuzz.command("search", short_help="The search itself: the default.")
@click.argument("target", required=False)
@target_options
@click.option(
    "--for",
    "seconds",
    callback=_duration,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long, a lane: 90s, 10m, 1h.",
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
    """Draw examples for TARGET, a tracker's script or a server's URL, until the time is up."""
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
    execute(given, jobs=1, reports=reports, run_record=run_record, config=config, watcher=_Quiet())


@fuzz.command("promote", short_help="Make a find into a vector.")
@click.argument("id_", metavar="ID")
@click.option(
    "--why", required=True, metavar="TEXT", help="What goes wrong in a site's data without the vector."
)
@click.option(
    "--slug", metavar="NAME", help="The last part of the vector's id.  [default: the find's number]"
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file of vectors.  [default: that of its family in this source tree]",
)
@click.option(
    "--counterexamples",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default="clickport-counterexamples.jsonl",
    show_default=True,
    help="Where finds are kept.",
)
def promote_(id_: str, why: str, slug: str | None, into: Path | None, counterexamples: Path) -> None:
    """Write the find ID (such as PROP-3#c3f1) as a vector; its expected values come from the requirement."""
    try:
        kept = {one.id: one for one in store.read(counterexamples)}
        if id_ not in kept:
            known = ", ".join(kept) or "none"
            raise click.UsageError(f"{id_!r} is not in {counterexamples}, which has {known}")
        vector = promote.vector(kept[id_], why=why, slug=slug)
        path = promote.append(vector, kept[id_], into)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"wrote {vector['id']} to {path}; read it, and see it fail before you count on it")
