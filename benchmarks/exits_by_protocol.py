"""Try every exit over every protocol in every browser: ``make exits-by-protocol``.

Run the cases of DELIV-2 on the reference tracker over HTTP/1.1, HTTP/1.1 over TLS, and HTTP/2, and write
docs/protocols.md. The records are in ``.clickport/protocols``, which git ignores. If one is missing, that of
``make certificate`` is used, which is over HTTP/1.1.
"""

import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.certificate import MADE as CERTIFIED
from benchmarks.commands import run_clickport
from conformance.browsers import BROWSERS, installed
from conformance.recorder import PROTOCOLS
from conformance.reports.delivery import Cell, DeliveryMatrix, combined
from conformance.results.record import Run, read

ROOT = Path(__file__).parents[1]
MADE = ROOT / ".clickport" / "protocols"
PAGE = ROOT / "docs" / "protocols.md"
TEMPLATE = ROOT / "benchmarks" / "exits_by_protocol.md"
_TITLES = {"http1": "HTTP/1.1", "http1-tls": "HTTP/1.1, TLS", "http2": "HTTP/2"}
_ENGINES = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKitGTK"}
_INTERRUPTED = 130


@click.command()
@click.option("--repeat", type=click.IntRange(1), default=50, show_default=True, help="Tries a cell.")
@click.option(
    "--browser",
    "browsers",
    multiple=True,
    type=click.Choice(BROWSERS),
    help="Measure in this one only (repeatable); others keep their last record.",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(PROTOCOLS),
    help="Measure over this one only (repeatable); others keep their last record.",
)
@click.option("--render-only", is_flag=True, help="Write the page from the records of the last run.")
def main(repeat: int, browsers: tuple[str, ...], protocols: tuple[str, ...], render_only: bool) -> None:
    """Try every exit over every protocol, and write docs/protocols.md."""
    MADE.mkdir(parents=True, exist_ok=True)
    for browser in () if render_only else browsers or [browser.name for browser in installed()]:
        for protocol in protocols or PROTOCOLS:
            click.echo(f"trying the exits of {browser} over {protocol}")
            _measure(browser, protocol, repeat)
    records = [CERTIFIED / f"check-{browser}.jsonl" for browser in BROWSERS]
    records += [MADE / f"{browser}-{protocol}.jsonl" for protocol in PROTOCOLS for browser in BROWSERS]
    if not (runs := [read(record) for record in records if record.exists()]):
        raise click.ClickException(f"there is no record in {MADE.relative_to(ROOT)}: leave out --render-only")
    PAGE.write_text(render(runs, TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
    click.echo(f"wrote {PAGE.relative_to(ROOT)}")


def _measure(browser: str, protocol: str, repeat: int) -> None:
    """Run the cases and keep the record; the page shows whatever they measure."""
    record = MADE / f"{browser}-{protocol}.jsonl"
    begun = record.with_suffix(".begun")
    words = ["--lane", "tracker", "--only", "deliv-2-*", "--browser", browser, "--protocol", protocol]
    words += ["--repeat", str(repeat), "--run-record", str(begun)]
    done = run_clickport("check", *words, cwd=ROOT, stdout=subprocess.DEVNULL)
    if done.returncode == _INTERRUPTED:
        raise click.Abort
    if not begun.exists():
        raise click.ClickException(f"the exits of {browser} over {protocol} were not tried: see above")
    begun.replace(record)


def render(runs: Sequence[Run], template: str) -> str:
    """Return the page: the template with a table for each engine, and what differs between protocols."""
    matrix = combined([(run, run.verdict()) for run in runs])
    if matrix is None:
        raise click.ClickException("no exit was tried")
    versions = {browser["name"]: browser["version"] for run in runs for browser in run.info.browsers}
    tables = [_table(matrix, engine, version) for engine, version in versions.items()]
    different = list(_differences(matrix)) or ["No cell differs between the protocols of its engine."]
    day = datetime.fromisoformat(max(run.info.started for run in runs)).astimezone(UTC).date()
    text = template.replace("{{day}}", day.isoformat()).replace("{{differences}}", "\n".join(different))
    return text.replace("{{tables}}", "\n\n".join(tables))


def _table(matrix: DeliveryMatrix, engine: str, version: str) -> str:
    columns = [column for column in matrix.columns if column.engine == engine]
    titles = (f"{_TITLES[column.protocol]}, {column.origin}" for column in columns)
    lines = [f"### {_ENGINES[engine]} {version}", ""]
    lines += [f"| way out | {' | '.join(titles)} |", f"|---|{'---:|' * len(columns)}"]
    for way, row in matrix.rows.items():
        cells = dict(zip(matrix.columns, row, strict=True))
        lines.append(f"| {way} | {' | '.join(_text(cells[column]) for column in columns)} |")
    titles_of = {column.title: f"{_ENGINES[engine]}, {_TITLES[column.protocol]}" for column in columns}
    lines += ["", *(f"- {titles_of[t]}: {text}" for t, text in matrix.sums.items() if t in titles_of)]
    return "\n".join(lines)


def _text(cell: Cell | None) -> str:
    return ", ".join((cell.share, *cell.remarks)) if cell else ""


def _outcome(cell: Cell) -> str:
    """Return the text of a cell, or "all" if nothing went wrong, however many tries it has."""
    number, _, tries = cell.share.partition("/")
    return "all" if number == tries and not cell.remarks else _text(cell)


def _differences(matrix: DeliveryMatrix) -> Iterator[str]:
    """Yield a line for each exit of an engine whose cells differ between protocols."""
    for way, row in matrix.rows.items():
        own: dict[tuple[str, str], dict[str, Cell]] = {}
        for column, cell in zip(matrix.columns, row, strict=True):
            if cell:
                own.setdefault((column.engine, column.origin), {})[column.protocol] = cell
        for (engine, origin), cells in own.items():
            if len({_outcome(cell) for cell in cells.values()}) > 1:
                text = "; ".join(f"{_TITLES[protocol]} {_text(cell)}" for protocol, cell in cells.items())
                yield f"- {_ENGINES[engine]}, {way}, {origin} origin: {text}"


if __name__ == "__main__":
    main()
