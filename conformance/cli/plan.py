"""``clickport plan``: check events against a tracking plan; write, compare and render plans."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from conformance.cli.check import report_option, some_options
from conformance.cli.execute import end
from conformance.cli.site_output import finish
from conformance.harness.options import Options
from conformance.protocol.outcomes import TargetUnavailable
from conformance.readback.rows import Readback
from conformance.readback.sources import ClickHouseReadback, CommandReadback, UrlReadback
from conformance.results.redaction import masked
from conformance.results.verdict import Exit
from conformance.site import plan_diff, plan_report, plan_types, plan_write
from conformance.site.events import Event
from conformance.site.plan import PLAN, BadPlan, Plan, read_plan
from conformance.site.sources import BadSource, read_events, read_rows

_READBACKS = ("clickhouse", "readback_url", "readback_cmd")
_PATH = click.Path(path_type=Path)
_PLAN = click.option("--plan", "plan", type=_PATH, default=PLAN, show_default=True, help="The tracking plan.")
_SOURCE = click.argument("source", type=_PATH)


@click.group("plan", short_help="Check a site's events against a tracking plan.")
def plan_() -> None:
    """Work with a tracking plan: the events that a site means to send, in tracking-plan.toml."""


@contextmanager
def _readable() -> Iterator[None]:
    """Exit with 2 and a message if a plan or a source cannot be read."""
    try:
        yield
    except (BadPlan, BadSource) as error:
        end(str(error), Exit.USAGE)


@plan_.command("check")
@click.argument("source", type=_PATH, required=False)
@_PLAN
@click.option("--strict", is_flag=True, help="A planned event that was not seen fails, too.")
@some_options("clickhouse", "table", "readback_url", "readback_cmd")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Replaces {since} of a readback, in UTC.  [default: a day ago]",
)
@report_option
def check(
    source: Path | None,
    plan: Path,
    strict: bool,
    since: datetime | None,
    reports: tuple[str, ...],
    **given: Any,
) -> None:
    """Check the events of SOURCE, or stored rows, against the plan.

    SOURCE is a HAR file or a folder of them, a run record, the event file of the pytest fixture, or rows as
    JSON lines. Rows are also read from a server's ClickHouse, a URL or a command, as `check` does. Advice of
    the protocol (LINT) is printed and does not fail.

    \b
    Exit codes: 0 as planned, 1 not as planned, 2 usage, 3 rows could not be read, 4 there is no event.
    """
    with _readable():
        planned = read_plan(plan)
        name, events = _events(source, since or datetime.now(UTC) - timedelta(days=1), given)
        run, verdict, rules = plan_report.check(planned, events, source=name, strict=strict)
    number = f"{len(events)} event{'s' * (len(events) != 1)} of {name}"
    sentences = {
        Exit.CONFORMANT: f"{number}: as planned in {plan}",
        Exit.VIOLATION: f"{number}: not as planned in {plan}",
        Exit.INCONCLUSIVE: f"{name} has no custom event: nothing was checked",
    }
    finish(run, verdict, rules, reports=reports, sentence=sentences[verdict.exit_code])


def _events(source: Path | None, since: datetime, given: Mapping[str, Any]) -> tuple[str, tuple[Event, ...]]:
    """Return the events of the file or the readback that was named. Raises click.UsageError."""
    named = [text for text in (source, *map(given.get, _READBACKS)) if text]
    if len(named) != 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in _READBACKS)
        raise click.UsageError(f"name one source of events: a file, or one of {options}")
    if source:
        return str(source), read_events(source)
    try:
        with _readback(given, since.isoformat(timespec="seconds")) as readback:
            return masked(readback.name), read_rows(readback)
    except TargetUnavailable as error:
        end(f"could not run: {error}", Exit.COULD_NOT_RUN)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def _readback(given: Mapping[str, Any], since: str) -> Iterator[Readback]:
    if url := given["readback_url"]:
        yield UrlReadback(url, since=since)
    elif command := given["readback_cmd"]:
        yield CommandReadback(command, since=since)
    else:
        with closing(ClickHouseReadback(given["clickhouse"], given["table"] or Options.table)) as clickhouse:
            yield clickhouse


@plan_.command("write")
@_SOURCE
@click.option("--plan", "plan", type=_PATH, default=PLAN, show_default=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def write(source: Path, plan: Path, force: bool) -> None:
    """Write a draft of a plan from the events of SOURCE, for you to review and complete."""
    with _readable():
        events = read_events(source)
    if not events:
        end(f"{source} has no custom event: no plan was written", Exit.INCONCLUSIVE)
    if plan.exists() and not force:
        end(f"{plan} exists: compare with `clickport plan diff {plan} {source}`, or use --force", Exit.USAGE)
    draft = plan_write.draft(events)
    try:
        plan.write_text(plan_write.toml(draft), encoding="utf-8")
    except OSError as error:
        end(f"could not write {plan}: {error}", Exit.USAGE)
    click.echo(f"wrote {len(draft.events)} events to {plan}: fill in descriptions and owners")


@plan_.command("diff")
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
def diff(before: Path, after: Path) -> None:
    """Show the differences between two plans, or between a plan and the events of a file.

    Names are new, gone, renamed, changed, or alike (they differ in case or spacing only). Ends with 1 if
    there is a difference.
    """
    with _readable():
        found = plan_diff.changes(
            _plan_of(before), _plan_of(after), seen=_is_plan(before) and not _is_plan(after)
        )
    for change in found:
        click.echo(str(change))
    if not found:
        click.echo("no difference")
    raise click.exceptions.Exit(Exit.VIOLATION if found else Exit.CONFORMANT)


def _plan_of(path: Path) -> Plan:
    return read_plan(path) if _is_plan(path) else plan_write.draft(read_events(path))


def _is_plan(path: Path) -> bool:
    return path.suffix == ".toml"


@plan_.command("types")
@_PLAN
def types(plan: Path) -> None:
    """Print TypeScript declarations with which only planned calls of track() compile."""
    with _readable():
        click.echo(plan_types.declarations(read_plan(plan)), nl=False)


@plan_.command("docs")
@_PLAN
def docs(plan: Path) -> None:
    """Print the plan as Markdown."""
    with _readable():
        click.echo(plan_types.markdown(read_plan(plan)), nl=False)
