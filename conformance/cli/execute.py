"""A run from the command line: options put together, the run, its reports, the exit code."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from conformance.browsers import BrowserMissing
from conformance.cli.config import read_config
from conformance.harness.options import Options, UsageError
from conformance.protocol.cases import UnknownSelector
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import requirements
from conformance.reports import REPORTS, Progress, print_run, require_writable, write
from conformance.reports.text import harmless
from conformance.results.record import Run, read
from conformance.results.redaction import Redaction, masked
from conformance.results.verdict import Exit, Verdict
from conformance.runner.run import Watcher, run

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


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
    try:
        merged = _merged(read_config(config), given)
    except UsageError as error:
        raise click.UsageError(harmless(masked(str(error)))) from error
    with concluding(merged, reports, run_record) as conclude:
        options = Options(**merged)
        conclude(run(options, jobs=jobs, record=run_record, watcher=watcher or _progress(options)))
    raise AssertionError("concluding ends the process")


@contextmanager
def concluding(
    given: Mapping[str, Any], reports: Sequence[str], record: Path
) -> Iterator[Callable[[Run], Verdict]]:
    """Yield what prints a run and writes its reports; end with the exit code that says what came of it.

    Reports are checked before the run: that they can be written. After Ctrl-C they tell what was seen until
    then. Whatever is printed here holds no secret of ``given``. Raises click.UsageError.
    """
    redaction, begun = Redaction.of(given), time.time()
    try:
        wanted = [parsed_report(text) for text in reports]
        for _, path in wanted:
            require_writable(path)
        concluded: list[Verdict] = []

        def conclude(found: Run) -> Verdict:
            concluded.append(_told(found, wanted))
            return concluded[-1]

        yield conclude
        sys.exit(concluded[-1].exit_code)
    except (UsageError, UnknownSelector) as error:
        raise click.UsageError(harmless(redaction.text(str(error)))) from error
    except (TargetUnavailable, BrowserMissing) as error:
        end(redaction.text(f"could not run: {error}"), Exit.COULD_NOT_RUN)
    except OSError as error:
        end(redaction.text(f"could not write: {error}"), Exit.USAGE)
    except KeyboardInterrupt:
        seen = f"what was seen until then is in {record}"
        with suppress(OSError, ValueError):  # Nothing was seen yet.
            if record.stat().st_mtime >= begun:  # Else it is that of a run before.
                _told(read(record), wanted)
        end(f"interrupted; {seen}", INTERRUPTED)


def _told(found: Run, wanted: Sequence[tuple[str, Path]]) -> Verdict:
    """Print a run and write its reports, these also when nobody reads what is printed."""
    verdict = found.verdict()
    try:
        print_run(Console(highlight=False), found, verdict, requirements())
        sys.stdout.flush()
    except BrokenPipeError:  # Piped into head, say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for kind, path in wanted:
        write(kind, path, found, verdict, requirements())
    return verdict


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
    click.echo(harmless(masked(message)), err=True)
    sys.exit(code)
