"""``clickport selftest``: the kill matrix of the referee itself."""

import sys
from pathlib import Path

import click

from conformance.browsers import BROWSERS
from conformance.mutants import render
from conformance.mutants.matrix import MutantResult
from conformance.mutants.selftest import Scope, choose, selftest
from conformance.protocol.outcomes import TargetUnavailable
from conformance.results.verdict import Exit

_RENDERERS = {"json": render.as_json, "html": render.as_html}


@click.command("selftest", short_help="Try the referee: does each check notice its fault?")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Subjects at a time.")
@click.option("--only", multiple=True, metavar="GLOB", help="Try these subjects or requirements only.")
@click.option(
    "--own",
    "scope",
    flag_value=Scope.OWN,
    type=Scope,
    help="Let mutants meet the vectors of their own requirement only.",
)
@click.option(
    "--quick",
    "scope",
    flag_value=Scope.QUICK,
    type=Scope,
    help="The same, in one lane of each mutant only.",
)
@click.option(
    "--cases", multiple=True, metavar="GLOB", help="Try them on these cases only, such as '*-fuzz*'."
)
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
    "--report", "reports", multiple=True, metavar="KIND=PATH", help="Write the matrix as json or html."
)
def selftest_(
    *,
    jobs: int,
    only: tuple[str, ...],
    scope: Scope | None,
    cases: tuple[str, ...],
    browsers: tuple[str, ...],
    reports: tuple[str, ...],
) -> None:
    """Run the references, an independent pair, nulls and every mutant through `clickport check`.

    Fails when a mutant survives or is killed by an unrelated requirement only, when something that does
    nothing passes, when the independent pair fails anything, or when a MUST or SHOULD has no mutant.
    """
    wanted = [_report(text) for text in reports]
    chosen = choose(only, cases)
    if not chosen:
        raise click.UsageError(f"--only {' '.join(only)}: no subject or requirement is called so")
    done = 0

    def tell(found: MutantResult) -> None:
        nonlocal done
        done += 1
        click.echo(f"{done:>3}/{len(chosen)}  {render.line(found)}")

    try:
        matrix = selftest(
            chosen, jobs=jobs, scope=scope or Scope.WHOLE, cases=cases, browsers=browsers, on_finding=tell
        )
    except TargetUnavailable as error:
        click.echo(f"could not run: {error}", err=True)
        sys.exit(Exit.COULD_NOT_RUN)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    click.echo("\n" + render.as_text(matrix))
    for kind, path in wanted:
        path.write_text(_RENDERERS[kind](matrix), encoding="utf-8")
    sys.exit(Exit.VIOLATION if matrix.problems else Exit.CONFORMANT)


def _report(text: str) -> tuple[str, Path]:
    kind, _, path = text.partition("=")
    if kind not in _RENDERERS or not path:
        raise click.UsageError(f"--report {text!r}: write {' or '.join(f'{k}=PATH' for k in _RENDERERS)}")
    return kind, Path(path)
