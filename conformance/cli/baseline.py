"""``clickport baseline``: known failures, written down from a run."""

import sys
from datetime import datetime
from pathlib import Path

import click

from conformance.harness.options import Options
from conformance.results import baseline, counterexamples
from conformance.results.record import read
from conformance.results.verdict import Exit, Status

_FINDS = Options.counterexamples
_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group("baseline", short_help="Write known failures down.")
def baseline_() -> None:
    """Known failures: cases that may fail for a reason, so that CI sees every new one."""


@baseline_.command("write")
@click.argument("path", type=_PATH)
@click.option("--issue", required=True, metavar="URL", help="Where the failures are dealt with.")
@click.option("--reason", metavar="TEXT", help="Why they are known.  [default: what the case found]")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the entries count.")
@click.option(
    "--run-record",
    type=_PATH,
    default="clickport-run.jsonl",
    show_default=True,
    help="The run to take them from.",
)
def write(path: Path, issue: str, reason: str | None, expires: datetime | None, run_record: Path) -> None:
    """Write the failing cases of a run to PATH, for `check --baseline PATH`.

    The run is the last one of `check`, unless --run-record names another. Entries that PATH has already keep
    their reasons; those whose cases pass now are left out.
    """
    try:
        run = read(run_record)
        finds = {
            kept.id for kept in counterexamples.read(Path(run.info.options.get("counterexamples", _FINDS)))
        }
        entries = baseline.read(path, counterexamples=finds) if path.exists() else ()
        before = {known.case: known for known in entries}
    except (OSError, ValueError) as error:
        click.echo(f"could not read: {error}", err=True)
        sys.exit(Exit.USAGE)
    ran = {result.id for result in run.results if result.status is not Status.NOT_RUN}
    ran |= {find for result in run.results for find in result.cured}
    kept = {id_: known for id_, known in before.items() if id_ not in ran}
    # Of a property it is the find that is known: another one is news.
    failed = {result.known_as: result for result in run.results if result.status is Status.FAIL}
    for id_, result in failed.items():
        kept[id_] = before.get(id_) or baseline.KnownFailure(
            case=id_,
            reason=reason or result.detail.splitlines()[0][:200],
            issue=issue,
            expires=expires.date().isoformat() if expires else "",
        )
    if not kept and not path.exists():
        click.echo(f"nothing failed in {run_record}: there is nothing to know, and {path} was not written")
        return
    baseline.write(path, kept.values())
    click.echo(f"wrote {len(kept)} known failures to {path}")
