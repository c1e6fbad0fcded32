"""``clickport watch``: show a site's events as they happen, or wait for one of them."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import click

from conformance.browsers import BROWSERS, BrowserMissing, PageBroken, Tab, find, start
from conformance.cli.execute import end
from conformance.cli.fuzz import duration
from conformance.recorder.site_front import NOT_REACHED, OWN_WORD
from conformance.reports.text import harmless
from conformance.results.redaction import masked
from conformance.results.verdict import Exit
from conformance.site import plan_write
from conformance.site.pages import PROBE
from conformance.site.plan import PLAN, BadPlan, Plan, read_plan
from conformance.site.watch import Watch, WatchedEvent, watching

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
    not arrive in time, 2 usage, 3 the site or the browser could not be opened.
    """
    try:
        planned = _plan(plan)
        if record and not record.parent.is_dir():
            end(f"could not write {record}: there is no folder {record.parent}", Exit.USAGE)
        with watching(url, endpoints, planned) as watched, ExitStack() as stack:
            click.echo(f"open  {watched.address}\nshown {watched.page}", err=True)
            tab = _open(watched, browser, stack) if browser else None
            arrived = False
            with suppress(KeyboardInterrupt):
                arrived = watched.follow(_show, until=until, seconds=timeout)
            _conclude(watched, record, until=until, arrived=arrived, tab=tab)
    except (BadPlan, ValueError) as error:
        end(str(error), Exit.USAGE)
    except (BrowserMissing, PageBroken, TimeoutError) as error:
        end(f"could not run: {error}", Exit.COULD_NOT_RUN)


def _plan(path: Path | None) -> Plan | None:
    if path is None and not Path(PLAN).exists():
        return None
    return read_plan(path or Path(PLAN))


def _open(watched: Watch, name: str, stack: ExitStack) -> Tab:
    """Open the site in a browser. Ends with 3 if the site cannot be reached."""
    tab = stack.enter_context(start(find(name))).tab()
    try:
        tab.goto(watched.entry)
        if watched.entry != watched.address:
            # The browser knows the password now; a page whose own URL holds it cannot call fetch.
            tab.goto(watched.address)
    except (PageBroken, TimeoutError):
        _require_reachable(watched)
        raise
    if _state(tab).get("status") == NOT_REACHED:
        _require_reachable(watched)
    return tab


def _require_reachable(watched: Watch) -> None:
    if reason := watched.unreachable():
        end(f"could not run: {masked(reason.removeprefix(OWN_WORD))}", Exit.COULD_NOT_RUN)


def _state(tab: Tab) -> Mapping[str, Any]:
    """Return the page's answer to ``PROBE``; empty if it gives none."""
    with suppress(PageBroken, TimeoutError):
        state = tab.run(f"return {PROBE}")
        return state if isinstance(state, dict) else {}
    return {}


def _show(seen: WatchedEvent) -> None:
    for line in seen.lines():
        click.echo(harmless(masked(line)))
    sys.stdout.flush()


def _conclude(watched: Watch, record: Path | None, *, until: str, arrived: bool, tab: Tab | None) -> None:
    """Write the plan and exit with the code of the watch."""
    if record and not watched.events:
        click.echo(f"no event arrived: {record} was not written", err=True)
    elif record:
        draft = plan_write.draft(watched.events)
        try:
            record.write_text(plan_write.toml(draft), encoding="utf-8")
        except OSError as error:
            end(f"could not write {record}: {error}", Exit.USAGE)
        click.echo(f"wrote {len(draft.events)} events to {record}", err=True)
    if until and not arrived:
        if not watched.seen:
            _require_reachable(watched)
        state = _state(tab) if tab else {}
        why = watched.silence(state) if state else ""
        number = len(watched.seen)
        others = f"{number} other event{'s' * (number != 1)} did"
        end(f"{until!r} did not arrive; {others}{': ' * bool(why)}{why}", Exit.VIOLATION)
    sys.exit(Exit.CONFORMANT if watched.as_planned else Exit.VIOLATION)
