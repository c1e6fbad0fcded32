"""A run from the command line: options put together, the run, its reports, the exit code."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from conformance.browsers import BrowserMissing
from conformance.case import UnknownSelector
from conformance.cli.config import read_config
from conformance.options import Options, UsageError
from conformance.registry import requirements
from conformance.report import REPORTS, Progress, print_run, write
from conformance.run import Watcher, run
from conformance.targets import TargetUnavailable
from conformance.verdict import Exit

_INTERRUPTED = 130


def execute(
    given: Mapping[str, Any],
    *,
    jobs: int,
    reports: Sequence[str],
    run_record: Path,
    config: Path | None,
    watcher: Watcher | None = None,
) -> NoReturn:
    """Run what the options say and end with the exit code of the verdict. Raises click.UsageError."""
    console = Console(highlight=False)
    try:
        options = Options(**_merged(read_config(config), given))
        wanted = [parsed_report(text) for text in reports]
        found = run(options, jobs=jobs, record=run_record, watcher=watcher or _progress(options))
        verdict = found.verdict()
        print_run(console, found, verdict, requirements())
        for kind, path in wanted:
            write(kind, path, found, verdict, requirements())
    except (UsageError, UnknownSelector) as error:
        raise click.UsageError(str(error)) from error
    except (TargetUnavailable, BrowserMissing) as error:
        end(f"could not run: {error}", Exit.COULD_NOT_RUN)
    except OSError as error:
        end(f"could not write: {error}", Exit.USAGE)
    except KeyboardInterrupt:
        end(f"interrupted; what was seen until then is in {run_record}", _INTERRUPTED)
    sys.exit(verdict.exit_code)


def _merged(configured: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the command line before those of the file; waivers of both, since each is about its own."""
    merged = {**configured, **{k: v for k, v in given.items() if v not in (None, ())}}
    waivers = (*configured.get("waive", ()), *given.get("waive", ()))
    return {**merged, "waive": waivers}


def _progress(options: Options) -> Progress:
    known = [entry.case for entry in options.known]
    return Progress(Console(stderr=True), strict=options.strict, known=known)


def parsed_report(text: str) -> tuple[str, Path]:
    """Kind and path of a ``--report``. Raises UsageError."""
    kind, separator, path = text.partition("=")
    if kind not in REPORTS or not separator or not path:
        raise UsageError(f"--report {text!r}: write KIND=PATH, the kind being {', '.join(REPORTS)}")
    return kind, Path(path)


def end(message: str, code: int) -> NoReturn:
    """Say why on standard error, and end."""
    click.echo(message, err=True)
    sys.exit(code)
