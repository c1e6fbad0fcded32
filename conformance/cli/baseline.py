"""``clickport baseline``: write the failures of a run to a baseline file."""

from datetime import datetime
from pathlib import Path

import click

from conformance.cli.execute import end
from conformance.harness.options import Options
from conformance.results import baseline, counterexamples
from conformance.results.record import read
from conformance.results.verdict import Exit, Status

_COUNTEREXAMPLES = Options.counterexamples
_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group("baseline", short_help="Write known failures down.")
def baseline_() -> None:
    """Manage known failures: cases that may fail for a stated reason, so that CI reports only new ones."""


@baseline_.command("write")
@click.argument("path", type=_PATH)
@click.option("--issue", required=True, metavar="URL", help="The issue that tracks the failures.")
@click.option("--reason", metavar="TEXT", help="Why they are known.  [default: the message of the case]")
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

    Reads the last run of `check`, unless --run-record names another. Entries already in PATH keep their
    reasons; entries whose cases now pass are removed.
    """
    try:
        run = read(run_record)
        store = Path(run.info.options.get("counterexamples", _COUNTEREXAMPLES))
        ids = {kept.id for kept in counterexamples.read(store)}
        entries = baseline.read(path, counterexamples=ids) if path.exists() else ()
        before = {known.case: known for known in entries}
    except (OSError, ValueError) as error:
        end(f"could not read: {error}", Exit.USAGE)
    ran = {result.id for result in run.results if result.status is not Status.NOT_RUN}
    ran |= {cured for result in run.results for cured in result.cured}
    kept = {id_: known for id_, known in before.items() if id_ not in ran}
    # A property is known by its counterexample: a different counterexample is a new failure.
    failed = {
        result.known_as: result
        for result in run.results
        if result.status is Status.FAIL and not result.upcoming
    }
    for id_, result in failed.items():
        kept[id_] = before.get(id_) or baseline.KnownFailure(
            case=id_,
            reason=reason or result.detail.splitlines()[0][:200],
            issue=issue,
            expires=expires.date().isoformat() if expires else "",
        )
    if not kept and not path.exists():
        click.echo(f"no case failed in {run_record}: {path} was not written")
        return
    baseline.write(path, kept.values())
    click.echo(f"wrote {len(kept)} known failures to {path}")
