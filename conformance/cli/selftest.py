"""``clickport selftest``: run the suite on every mutant and print the kill matrix."""

import os
import sys
from pathlib import Path

import click

from conformance.browsers import BROWSERS
from conformance.cli.execute import exit_codes, parse_report
from conformance.mutants import render
from conformance.mutants.kept import KeptResults
from conformance.mutants.matrix import MutantResult
from conformance.mutants.selftest import Scope, choose, selftest
from conformance.reports import require_writable
from conformance.results.redaction import Redaction
from conformance.results.verdict import Exit

_KEPT = Path(".clickport/selftest.json")
_RENDERERS = {"json": render.as_json, "html": render.as_html}


@click.command("selftest", short_help="Test the suite: does each check notice its fault?")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Implementations at a time."
)
@click.option("--only", multiple=True, metavar="GLOB", help="Run only these implementations or requirements.")
@click.option(
    "--own",
    "scope",
    flag_value=Scope.OWN,
    type=Scope,
    help="Run mutants against the vectors of their own requirement only.",
)
@click.option(
    "--quick",
    "scope",
    flag_value=Scope.QUICK,
    type=Scope,
    help="Like --own, in only one lane of each mutant.",
)
@click.option("--cases", multiple=True, metavar="GLOB", help="Run only these cases, such as '*-fuzz*'.")
@click.option(
    "--browser",
    "browsers",
    multiple=True,
    type=click.Choice(BROWSERS),
    default=("chromium",),
    show_default=True,
    help="Run trackers in this browser; repeatable.",
)
@click.option(
    "--changed",
    is_flag=True,
    help="Run only what has changed since the last run with this option here; not in CI.",
)
@click.option(
    "--report", "reports", multiple=True, metavar="KIND=PATH", help="Write the matrix as json or html."
)
def selftest_(
    *,
    jobs: int,
    only: tuple[str, ...],
    scope: Scope | None,
    cases: tuple[str, ...],
    browsers: tuple[str, ...],
    changed: bool,
    reports: tuple[str, ...],
) -> None:
    """Run the references, an independent pair, the null pair and every mutant through `clickport check`.

    Exits with 1 if a mutant survives or is killed by unrelated requirements only, if an implementation that
    does nothing passes, if the independent pair fails a case, or if a MUST or SHOULD has no mutant.

    With --changed, results without problems are kept in .clickport/selftest.json, and one is used again as
    long as the checks, its part of the reference, the browsers and the installed packages are the same.
    """
    if changed and os.environ.get("CI"):
        raise click.UsageError("--changed: the variable CI is set, and CI repeats every trial; leave it out")
    chosen = choose(only, cases)
    if not chosen:
        raise click.UsageError(f"--only {' '.join(only)}: no implementation or requirement matches")
    done = 0

    def print_result(result: MutantResult) -> None:
        nonlocal done
        done += 1
        click.echo(f"{done:>3}/{len(chosen)}  {render.line(result)}")

    with exit_codes(Redaction.of({})):
        wanted = [parse_report(text, _RENDERERS) for text in reports]
        for _, path in wanted:
            require_writable(path)
        matrix = selftest(
            chosen,
            jobs=jobs,
            scope=scope or Scope.WHOLE,
            cases=cases,
            browsers=browsers,
            on_finding=print_result,
            kept=KeptResults(_KEPT, (scope, cases, browsers)) if changed else None,
        )
        click.echo("\n" + render.as_text(matrix))
        for kind, path in wanted:
            path.write_text(_RENDERERS[kind](matrix), encoding="utf-8")
    sys.exit(Exit.VIOLATION if matrix.problems else Exit.CONFORMANT)
