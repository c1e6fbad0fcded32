"""``clickport watch``: show a site's events as they happen, or wait for one of them."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from conformance.browsers import BROWSERS, BrowserMissing, PageBroken, find, start
from conformance.cli.execute import end
from conformance.cli.fuzz import duration
from conformance.reports.text import harmless
from conformance.results.redaction import masked
from conformance.results.verdict import Exit
from conformance.site import plan_write
from conformance.site.plan import PLAN, BadPlan, Plan, read_plan
from conformance.site.watch import Seen, Watch, watching

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("watch", short_help="Show a site's events as they happen.")
@click.argument("url")
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL", help="Another origin of the site.")
@click.option(
    "--browser", type=click.Choice(BROWSERS), help="Open the site in this browser, without a window."
)
@click.option("--plan", type=_PATH, help=f"Compare with this plan.  [default: {PLAN}, if it exists]")
@click.option("--until", default="", metavar="NAME", help="End with 0 once an event with this name arrives.")
@click.option("--timeout", callback=duration, metavar="TIME", help="End after this time: 60s, 10m, 1h.")
@click.option("--record", type=_PATH, metavar="FILE", help="Write a draft of a plan from the events.")
def watch(
    url: str,
    *,
    endpoints: tuple[str, ...],
    browser: str | None,
    plan: Path | None,
    until: str,
    timeout: int | None,
    record: Path | None,
) -> None:
    """Stand in front of the site at URL and show each event: what the limits did, what the plan says.

    Open the printed address in a browser of your own, or name one with --browser. Events are not passed on.
    Ctrl-C ends the watch.

    \b
    Exit codes: 0 all as planned (and --until has arrived), 1 an event differs from the plan, or --until did
    not arrive in time, 2 usage, 3 the browser could not be opened.
    """
    try:
        planned = _plan(plan)
        with watching(url, endpoints, planned) as watched, ExitStack() as stack:
            click.echo(f"open  {watched.address}\nshown {watched.page}", err=True)
            if browser:
                _open(watched.address, browser, stack)
            arrived = False
            with suppress(KeyboardInterrupt):
                arrived = watched.follow(_show, until=until, seconds=timeout)
            _conclude(watched, record, until=until, arrived=arrived)
    except (BadPlan, ValueError) as error:
        end(str(error), Exit.USAGE)
    except (BrowserMissing, PageBroken, TimeoutError) as error:
        end(f"could not run: {error}", Exit.COULD_NOT_RUN)


def _plan(path: Path | None) -> Plan | None:
    if path is None and not Path(PLAN).exists():
        return None
    return read_plan(path or Path(PLAN))


def _open(address: str, name: str, stack: ExitStack) -> None:
    tab = stack.enter_context(start(find(name))).tab()
    tab.goto(address)


def _show(seen: Seen) -> None:
    for line in seen.lines():
        click.echo(harmless(masked(line)))
    sys.stdout.flush()


def _conclude(watched: Watch, record: Path | None, *, until: str, arrived: bool) -> None:
    """Write the plan and exit with the code of the watch."""
    if record and watched.events:
        draft = plan_write.draft(watched.events)
        try:
            record.write_text(plan_write.toml(draft), encoding="utf-8")
        except OSError as error:
            end(f"could not write {record}: {error}", Exit.USAGE)
        click.echo(f"wrote {len(draft.events)} events to {record}", err=True)
    if until and not arrived:
        end(f"{until!r} did not arrive; {len(watched.seen)} other events did", Exit.VIOLATION)
    sys.exit(Exit.CONFORMANT if watched.as_planned else Exit.VIOLATION)
