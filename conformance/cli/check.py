"""``clickport check``: run the checks on a target and write reports."""

from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from conformance.cli.execute import execute
from conformance.harness.options import Options
from conformance.reports import REPORTS

Command = Callable[..., None]


def target_options(command: Command) -> Command:
    """Add an option to ``command`` for each field of Options."""
    return some_options(*(field.name for field in fields(Options)))(command)


def some_options(*names: str) -> Callable[[Command], Command]:
    """Return a decorator that adds an option for each of these fields of Options."""
    return lambda command: _with_options(command, names)


def _with_options(command: Command, names: Collection[str]) -> Command:
    for field in reversed([field for field in fields(Options) if field.name in names]):
        about: dict[str, Any] = {"help": field.metadata["help"], "default": None}
        if field.metadata.get("flag"):
            about["is_flag"] = True
        if field.metadata.get("multiple"):
            about["multiple"] = True
        if field.metadata.get("joined"):
            about.update(multiple=True, callback=lambda _context, _option, urls: ",".join(urls) or None)
        if "choices" in field.metadata:
            about["type"] = click.Choice(field.metadata["choices"])
        elif "metavar" in field.metadata:
            about["metavar"] = field.metadata["metavar"]
        if field.metadata.get("number"):
            about["type"] = int
        if isinstance(field.default, str) or field.metadata.get("number"):
            about["help"] += f"  [default: {field.default}]"
        command = click.option(f"--{field.name.replace('_', '-')}", field.name, **about)(command)
    return command


def record_option(default: str) -> Callable[[Command], Command]:
    """Return a decorator that adds ``--run-record`` with this default."""
    return click.option(
        "--run-record",
        type=click.Path(path_type=Path, dir_okay=False),
        default=default,
        show_default=True,
        help="Write every observation to this file, as JSON lines.",
    )


def report_option(command: Command) -> Command:
    """Add ``--report`` to ``command``."""
    return click.option(
        "--report",
        "reports",
        multiple=True,
        metavar="KIND=PATH",
        help=f"Write a report of the kind {', '.join(REPORTS)} (repeatable).",
    )(command)


def output_options(command: Command) -> Command:
    """Add ``--config``, ``--run-record`` and ``--report`` to ``command``."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Take options from this file.  [default: clickport.toml, or [tool.clickport] in pyproject.toml]",
    )
    return report_option(record_option("clickport-run.jsonl")(config(command)))


@click.command(short_help="Check a tracker, a server, or both.")
@target_options
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Processes at most.")
@output_options
def check(jobs: int, reports: tuple[str, ...], run_record: Path, config: Path | None, **given: Any) -> None:
    """Check a tracker, a server, or both; without either, the bundled reference.

    \b
    clickport check --tracker dist/t.js
    clickport check --server-cmd "./ingest --port {port}" --readback-cmd "./rows --since {since}"
    clickport check --tracker t.js --server http://127.0.0.1:8000 --clickhouse http://127.0.0.1:8123

    \b
    Exit codes: 0 conformant, 1 violation, 2 usage, 3 could not run,
    4 inconclusive (no violation, but a MUST was not verified), 70 fault of the suite itself.
    """
    execute(given, jobs=jobs, reports=reports, run_record=run_record, config=config)
