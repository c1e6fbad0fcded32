"""``clickport load``: send events at a rate, compare acknowledgements with rows, and report figures."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from conformance import processes
from conformance.cli.check import record_option, report_option, some_options
from conformance.cli.execute import concluding, end
from conformance.harness.options import Options, UsageError
from conformance.load.mix import BadMix
from conformance.load.mix import read as read_mix
from conformance.load.plan import (
    DEFAULT_OBJECTIVE,
    DEFAULT_RATE,
    LoadPlan,
    RemoteTarget,
    require_descriptors,
    seconds_of,
)
from conformance.load.progress import LoadProgress
from conformance.load.shapes import SHAPES
from conformance.results.record import Run
from conformance.results.verdict import Exit

_TARGETS = (
    *("server_cmd", "server_app", "clickhouse", "table", "readback_url", "readback_cmd"),
    *("envelope", "domain"),
)
_FILE = click.Path(path_type=Path, dir_okay=False)


class _Duration(click.ParamType[float]):
    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else seconds_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_DURATION = _Duration()


@click.command(short_help="Load a server: is every event stored, once, and how fast?")
@click.argument("urls", nargs=-1, metavar="[URL]...")
@some_options(*_TARGETS)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1_000_000),
    default=DEFAULT_RATE,
    show_default=f"{DEFAULT_RATE:g}",
    metavar="N",
    help="Requests a second; for a ramp, those of its first step.",
)
@click.option(
    "--for",
    "seconds",
    type=_DURATION,
    help="How long: 90s, 10m, 1h.  [default: 60s; ramp 120s; soak 1h; flood 10s]",
)
@click.option(
    "--shape",
    type=click.Choice(list(SHAPES)),
    default="constant",
    show_default=True,
    help="; ".join(f"{name}: {what}" for name, what in SHAPES.items()) + ".",
)
@click.option(
    "--objective-p95",
    "objective",
    type=_DURATION,
    help="Exit with 1 unless 95 % of latencies stay below this. A ramp climbs up to it.  "
    "[default: 50ms for a ramp, else none]",
)
@click.option(
    "--users",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Senders that share the rate, each with a connection.  [default: a tenth of the rate; flood 32]",
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of Locust."
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Allow a server on this host, named exactly as in its URL (repeatable). Only for servers that you "
    "own: a load run on any other is an attack.",
)
@click.option("--mix", type=_FILE, help="The TOML file of events to send.  [default: load/mix.toml]")
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="The same seed draws the same events."
)
@click.option(
    "--patience",
    type=_DURATION,
    default="15s",
    show_default=True,
    help="How long a row may take to appear after its acknowledgement.",
)
@click.option(
    "--yardsticks", is_flag=True, help="Measure yardsticks, too, and report ratios to them (a minute more)."
)
@record_option("clickport-load.jsonl")
@report_option
def load(urls: tuple[str, ...], **given: Any) -> None:
    """Send events at a rate and compare the acknowledged events with the stored rows (STORE-5).

    \b
    clickport load                                          the bundled reference server
    clickport load http://127.0.0.1:8000 --clickhouse http://127.0.0.1:8123/default
    clickport load --server-cmd "./ingest --port {port}" --readback-cmd "./rows --since {since}"
    clickport load --shape ramp --objective-p95 50ms --report html=load.html

    Requests follow a schedule that does not depend on the server, and latency counts from the scheduled time.
    Connections to several URLs, the nodes of a cluster, go to each in turn.
    Load is sent only to this machine and to hosts named by --allow-host.

    \b
    Exit codes: 0 nothing lost, doubled or altered, 1 a violation or a missed objective, 2 usage,
    3 could not run, 4 inconclusive (no readback, or no event was acknowledged), 70 fault of the suite itself.
    """
    _execute(",".join(urls) or None, **given)


def _execute(
    url: str | None,
    *,
    seconds: float | None,
    objective: float | None,
    users: int | None,
    patience: float,
    yardsticks: bool,
    run_record: Path,
    reports: tuple[str, ...],
    mix: Path | None,
    **given: Any,
) -> NoReturn:
    if missing := [name for name in ("locust", "geventhttpclient", "psutil") if not find_spec(name)]:
        end(
            f"could not run: clickport load needs {', '.join(missing)}: "
            "pip install 'clickport-conformance[load]'",
            Exit.COULD_NOT_RUN,
        )
    if not processes.is_posix():
        end(f"could not run: clickport load {processes.NEEDS_POSIX}", Exit.COULD_NOT_RUN)
    from conformance.load.run import load as run_load  # noqa: PLC0415 - needs the `load` extra

    asked = {name: value for name in _TARGETS if (value := given.pop(name)) is not None}
    with concluding({"server": url, **asked}, reports, run_record) as conclude:
        try:
            options = Options(server=url, lane=("server",), **asked)
            read_mix(mix)
            goal = objective or DEFAULT_OBJECTIVE
            plan = LoadPlan(
                seconds=seconds or 0.0,
                senders=users or 0,
                mix=mix,
                objective=goal,
                objective_asked=objective is not None,
                **given,
            )
            require_descriptors(plan)
            with LoadProgress(Console(stderr=True)) as progress:
                run = run_load(
                    options,
                    plan,
                    yardsticks=yardsticks,
                    patience=patience,
                    record=run_record,
                    progress=progress,
                )
        except (RemoteTarget, BadMix) as error:
            raise UsageError(str(error)) from error
        verdict = conclude(run)
        if run.objective_missed and verdict.exit_code is Exit.VIOLATION:
            end(_missed(run), Exit.VIOLATION)
    raise AssertionError("concluding exits the process")


def _missed(run: Run) -> str:
    figures = run.load or {}
    measured = figures["sustained"] or figures["latency"]
    return (
        f"the objective was missed: p95 {measured['p95_ms']} ms and {figures['errors']} errors; required are "
        f"p95 {figures['objective']['p95_ms']:g} ms and at most one error in 1,000 requests"
    )
