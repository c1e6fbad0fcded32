"""``clickport audit``: judge the events in HAR files of a browser."""

from pathlib import Path

import click

from conformance.cli.check import report_option
from conformance.cli.execute import end
from conformance.cli.site_output import finish
from conformance.results.verdict import Exit
from conformance.site import audit
from conformance.site.har import BadHar, read_captures


@click.command("audit", short_help="Judge the events in a HAR file.")
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE.har")
@click.option("--strict", is_flag=True, help="A failing SHOULD is a violation, too.")
@report_option
def audit_(source: Path, strict: bool, reports: tuple[str, ...]) -> None:
    """Judge the custom events in FILE.har, or in each *.har below a folder, by requirement.

    Reads captures of Chrome, Firefox, Safari and Playwright. A capture shows requests, not calls, delivery or
    rows: the requirements about these are listed as not proved.

    \b
    Exit codes: 0 no violation, 1 violation, 2 usage or not a HAR,
    4 no event, or the capture lacks bodies (the export setting that keeps them is printed).
    """
    try:
        captures = read_captures(source)
    except BadHar as error:
        end(str(error), Exit.USAGE)
    run, verdict, rules = audit.audit(captures, source=str(source), strict=strict)
    notes = [*audit.missing_bodies(captures), *audit.unanswered(captures), *audit.unproven(verdict)]
    proved = sum(row.decided and not row.reason for row in verdict.requirements)
    number = len(verdict.violations)
    sentences = {
        Exit.CONFORMANT: f"{source}: no violation; {proved} requirements hold in this capture",
        Exit.VIOLATION: f"{source}: {number} violation{'s' * (number != 1)}",
        Exit.INCONCLUSIVE: f"{source}: no verdict, because events or their bodies are missing",
    }
    finish(run, verdict, rules, reports=reports, notes=notes, sentence=sentences[verdict.exit_code])
