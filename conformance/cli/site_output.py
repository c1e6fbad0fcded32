"""The output of commands about a site: lines, reports in every format, and the exit code."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

import click

from conformance.cli.execute import exit_codes, parse_report
from conformance.protocol.requirements import Requirement
from conformance.reports import REPORTS, require_writable, write
from conformance.reports.text import harmless
from conformance.results.record import Run
from conformance.results.redaction import Redaction, masked
from conformance.results.verdict import Verdict
from conformance.site import report


def finish(
    run: Run,
    verdict: Verdict,
    rules: Mapping[str, Requirement],
    *,
    reports: Sequence[str],
    sentence: str,
    notes: Iterable[str] = (),
) -> NoReturn:
    """Print failures, notes and the sentence, write the reports, and exit with the verdict's code."""
    with exit_codes(Redaction()):
        wanted = [parse_report(text, REPORTS) for text in reports]
        for _, path in wanted:
            require_writable(path)
        for line in (*report.lines(verdict), *notes, sentence):
            click.echo(harmless(masked(line)))
        for kind, path in wanted:
            write(kind, path, run, verdict, rules)
    sys.exit(verdict.exit_code)
