"""``clickport check``: options from the command line and the configuration file, a run, its reports."""

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.browsers import BrowserMissing
from conformance.case import UnknownSelector
from conformance.cli.config import read_config
from conformance.options import Options, UsageError
from conformance.registry import requirements
from conformance.report import REPORTS, Progress, print_run, write
from conformance.run import run
from conformance.targets import TargetUnavailable
from conformance.verdict import Exit

_INTERRUPTED = 130
Command = Callable[..., None]


def _target_options(command: Command) -> Command:
    """Give the command an option for each field of Options."""
    for field in reversed(fields(Options)):
        about: dict[str, Any] = {"help": field.metadata["help"], "default": None}
        if field.metadata.get("flag"):
            about["is_flag"] = True
        if field.metadata.get("multiple"):
            about["multiple"] = True
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


@click.command(short_help="Check a tracker, a server, or both.")
@_target_options
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="KIND=PATH",
    help=f"Write a report of the kind {', '.join(REPORTS)} (repeatable).",
)
@click.option(
    "--run-record",
    type=click.Path(path_type=Path, dir_okay=False),
    default="clickport-run.jsonl",
    show_default=True,
    help="Keep every observation here, as JSON lines.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take options from this file. Default: clickport.toml, or [tool.clickport] in pyproject.toml.",
)
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
    console = Console(highlight=False)
    try:
        options = Options(
            **{**read_config(config), **{k: v for k, v in given.items() if v not in (None, ())}}
        )
        wanted = [_report(text) for text in reports]
        found = run(options, jobs=jobs, record=run_record, watcher=Progress(Console(stderr=True)))
        verdict = found.verdict()
        print_run(console, found, verdict, requirements())
        for kind, path in wanted:
            write(kind, path, found, verdict, requirements())
    except (UsageError, UnknownSelector) as error:
        raise click.UsageError(str(error)) from error
    except (TargetUnavailable, BrowserMissing) as error:
        _end(f"could not run: {error}", Exit.COULD_NOT_RUN)
    except OSError as error:
        _end(f"could not write: {error}", Exit.USAGE)
    except KeyboardInterrupt:
        _end(f"interrupted; what was seen until then is in {run_record}", _INTERRUPTED)
    sys.exit(verdict.exit_code)


def _report(text: str) -> tuple[str, Path]:
    kind, separator, path = text.partition("=")
    if kind not in REPORTS or not separator or not path:
        raise UsageError(f"--report {text!r}: write KIND=PATH, the kind being {', '.join(REPORTS)}")
    return kind, Path(path)


def _end(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)
