"""The frame of every command that runs checks: merged options, reports, one exit code for each outcome."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from conformance.reports import REPORTS, RunProgress, print_run, require_writable, write
from conformance.reports.text import harmless
from conformance.results.record import Run, read
from conformance.results.redaction import Redaction, masked
from conformance.results.verdict import Exit, Verdict
from conformance.runner.run import RunListener, run

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the shells' convention: 128 + SIGINT."""


def execute(
    given: Mapping[str, Any],
    *,
    jobs: int,
    reports: Sequence[str],
    run_record: Path,
    config: Path | None,
    watcher: RunListener | None = None,
) -> NoReturn:
    """Run the checks that the options select and exit with the code of the verdict.

    Options of the command line (``given``) override those of the configuration file. Raises click.UsageError.
    """
    try:
        merged = _merged(read_config(config), given)
    except UsageError as error:
        raise click.UsageError(harmless(masked(str(error)))) from error
    with concluding(merged, reports, run_record) as conclude:
        options = Options(**merged)
        conclude(run(options, jobs=jobs, record=run_record, watcher=watcher or _progress(options)))
    raise AssertionError("concluding exits the process")


@contextmanager
def exit_codes(
    redaction: Redaction, *, when_interrupted: Callable[[], str] = lambda: "interrupted"
) -> Iterator[None]:
    """Exit with a line on standard error and the documented code for each failure that is not a verdict.

    ``when_interrupted`` returns the line to print after Ctrl-C. Raises click.UsageError for a bad option.
    """
    try:
        yield
    except (UsageError, UnknownSelector) as error:
        raise click.UsageError(harmless(redaction.text(str(error)))) from error
    except (TargetUnavailable, BrowserMissing) as error:
        end(redaction.text(f"could not run: {error}"), Exit.COULD_NOT_RUN)
    except OSError as error:
        end(redaction.text(f"could not write: {error}"), Exit.USAGE)
    except KeyboardInterrupt:
        end(when_interrupted(), INTERRUPTED)


@contextmanager
def concluding(
    given: Mapping[str, Any], reports: Sequence[str], record: Path
) -> Iterator[Callable[[Run], Verdict]]:
    """Yield a function that prints a run and writes its reports; exit with the code of its verdict.

    Raise before the run if a report cannot be written. After Ctrl-C, report what the record holds until then.
    No secret of ``given`` is printed. Raises click.UsageError.
    """
    redaction, started = Redaction.of(given), time.time()
    wanted: list[tuple[str, Path]] = []
    verdicts: list[Verdict] = []

    def conclude(run: Run) -> Verdict:
        verdicts.append(_publish(run, wanted))
        return verdicts[-1]

    def conclude_interrupted() -> str:
        with suppress(OSError, ValueError):  # The run was interrupted before its first observation.
            if record.stat().st_mtime >= started:  # An older record is that of an earlier run.
                _publish(read(record), wanted)
        return f"interrupted; the results until then are in {record}"

    with exit_codes(redaction, when_interrupted=conclude_interrupted):
        wanted += [parse_report(text, REPORTS) for text in reports]
        for _, path in wanted:
            require_writable(path)
        yield conclude
        sys.exit(verdicts[-1].exit_code)


def _publish(run: Run, wanted: Sequence[tuple[str, Path]]) -> Verdict:
    """Print a run and write its reports; a closed standard output does not stop the reports."""
    verdict = run.verdict()
    try:
        print_run(Console(highlight=False), run, verdict, requirements())
        sys.stdout.flush()
    except BrokenPipeError:  # For example, the output is piped into `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for kind, path in wanted:
        write(kind, path, run, verdict, requirements())
    return verdict


def _merged(configured: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file's options overridden by those of the command line; waivers of both are kept."""
    merged = {**configured, **{k: v for k, v in given.items() if v not in (None, ())}}
    waivers = (*configured.get("waive", ()), *given.get("waive", ()))
    return {**merged, "waive": waivers}


def _progress(options: Options) -> RunProgress:
    known = [entry.case for entry in options.known]
    return RunProgress(Console(stderr=True), strict=options.strict, known=known)


def parse_report(text: str, kinds: Iterable[str]) -> tuple[str, Path]:
    """Return the kind and path of a ``--report KIND=PATH``. Raises UsageError."""
    kind, separator, path = text.partition("=")
    if kind not in kinds or not separator or not path:
        raise UsageError(f"--report {text!r}: write KIND=PATH, where KIND is one of {', '.join(kinds)}")
    return kind, Path(path)


def end(message: str, code: int) -> NoReturn:
    """Print ``message`` to standard error, without secrets or control characters, and exit with ``code``."""
    click.echo(harmless(masked(message)), err=True)
    sys.exit(code)
