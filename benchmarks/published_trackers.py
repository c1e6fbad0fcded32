"""Measure what published trackers deliver when their page is left: ``make published-trackers``.

Install the trackers from npm by ``benchmarks/published/package-lock.json``, bundle each, run the delivery
cases on it, and write docs/published-trackers.md. All other files are written to ``.clickport/published``,
which git ignores.
"""

import gzip
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from conformance import __version__
from conformance.browsers import BROWSERS, installed
from conformance.protocol.cases import catalogue
from conformance.results.record import read
from conformance.results.verdict import CaseResult, Status

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "benchmarks" / "published"
MADE = ROOT / ".clickport" / "published"
PAGE = ROOT / "docs" / "published-trackers.md"
# The cases in the page's tables: each exit, and an event whose page stays open.
CASES = ("deliv-2-*", "deliv-4-call-returns-at-once")
STAYS = "tracker/deliv-4-call-returns-at-once"
_EXIT = "tracker/deliv-2-"
REFERENCE = "reference"
NOT_APPLICABLE, NOT_MEASURED = "not applicable", "not measured"
_INTERRUPTED = 130
_ENGINES = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKitGTK"}


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """A script to measure, and the options of its mapping; the reference has no mapping."""

    name: str
    version: str
    script: Path
    mapping: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrackerMeasurement:
    """The results of a tracker; it could not be run in the browsers ``refused``."""

    name: str
    version: str
    minified: int
    gzipped: int
    browsers: dict[str, str] = field(default_factory=dict)
    results: Sequence[CaseResult] = ()
    refused: Sequence[str] = ()

    def cell(self, case: str, browser: str) -> str:
        """Return the text of a case's cell for a browser: ``arrived/tried``, or a reason."""
        if browser not in self.browsers and browser not in self.refused:
            return NOT_MEASURED
        own = [result for result in self.results if result.browser == browser]
        result = next((result for result in own if result.id == case), None)
        # Without any arrival the mapping may be at fault.
        if result is None or not any(map(_arrived, own)):
            return NOT_APPLICABLE
        if result.status in (Status.ERROR, Status.NOT_TESTABLE):
            return "undecided"
        return f"{_arrived(result)}/{_tried(result)}"


@click.command()
@click.option("--repeat", type=click.IntRange(1), default=10, show_default=True, help="Tries a cell.")
@click.option("--tracker", "names", multiple=True, help="Measure this one only (repeatable).")
@click.option(
    "--browser",
    "browsers",
    type=click.Choice(BROWSERS),
    multiple=True,
    help="In this browser only (repeatable).",
)
@click.option("--render-only", is_flag=True, help="Write the page from the records of the last run.")
def main(repeat: int, names: tuple[str, ...], browsers: tuple[str, ...], render_only: bool) -> None:
    """Measure the published trackers and the reference, and write docs/published-trackers.md."""
    MADE.mkdir(parents=True, exist_ok=True)
    if not render_only:
        _install()
    trackers = list(_trackers())
    if unknown := sorted(set(names) - {tracker.name for tracker in trackers}):
        known = ", ".join(tracker.name for tracker in trackers)
        raise click.UsageError(f"--tracker {unknown[0]}: unknown; the trackers are {known}")
    for browser in () if render_only else browsers or [browser.name for browser in installed()]:
        for tracker in trackers:
            if not names or tracker.name in names:
                click.echo(f"measuring {tracker.name} in {browser}")
                _measure(tracker, browser, repeat)
    measured = [_measured(tracker) for tracker in trackers]
    PAGE.write_text(render(measured, day=datetime.now(UTC).date()), encoding="utf-8")
    click.echo(f"wrote {PAGE.relative_to(ROOT)}")


def _install() -> None:
    """Install the packages of the lock file unless that is done. Raises click.ClickException if npm fails."""
    lock, done = (PUBLISHED / "package-lock.json").read_bytes(), MADE / "installed"
    if done.exists() and done.read_bytes() == lock and (PUBLISHED / "node_modules").exists():
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=PUBLISHED, check=True)
    except FileNotFoundError as error:
        raise click.ClickException("npm is not installed: install Node.js 20 or newer") from error
    except subprocess.CalledProcessError as error:
        raise click.ClickException(
            f"{' '.join(command)} failed in benchmarks/published/, see above"
        ) from error
    done.write_bytes(lock)


def _trackers() -> Iterable[Tracker]:
    yield Tracker(name=REFERENCE, version=__version__, script=ROOT / "tracker" / "tracker.min.js")
    rows = tomllib.loads((PUBLISHED / "trackers.toml").read_text(encoding="utf-8"))
    for name, row in rows.items():
        package = PUBLISHED / "node_modules" / row["package"]
        about = json.loads((package / "package.json").read_text(encoding="utf-8"))
        shim, payload = PUBLISHED / "shims" / f"{name}.js", PUBLISHED / "payloads" / f"{name}.py"
        yield Tracker(
            name=name,
            version=f"{row['package']} {about['version']}",
            script=_bundle(name, package / row["entry"], row),
            mapping=("--shim", str(shim.relative_to(ROOT)), "--payload", str(payload.relative_to(ROOT))),
        )


def _bundle(name: str, entry: Path, row: Mapping[str, Any]) -> Path:
    """Bundle a package as one minified classic script, with its exports in the global ``foreign``."""
    script = MADE / f"{name}.js"
    external = [f"--external:{pattern}" for pattern in row.get("external", ())]
    words = [str(entry), "--bundle", "--minify", "--format=iife", "--global-name=foreign", *external]
    esbuild = PUBLISHED / "node_modules" / ".bin" / "esbuild"
    subprocess.run([esbuild, *words, f"--outfile={script}", "--log-level=warning"], cwd=PUBLISHED, check=True)
    return script


def _record(tracker: Tracker, browser: str) -> Path:
    return MADE / f"{tracker.name}-{browser}.jsonl"


def _output(record: Path) -> Path:
    return record.with_suffix(".txt")


def _measure(tracker: Tracker, browser: str, repeat: int) -> None:
    """Run the delivery cases on a tracker and keep the record; the verdict is ignored."""
    record = _record(tracker, browser)
    begun = record.with_suffix(".begun")
    words = ["--tracker", str(tracker.script.relative_to(ROOT)), *tracker.mapping, "--lane", "tracker"]
    words += [word for case in CASES for word in ("--only", case)]
    words += ["--browser", browser, "--repeat", str(repeat), "--run-record", str(begun)]
    words += ["--counterexamples", str(MADE / f"counterexamples-{browser}.jsonl")]
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "check", *words], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    _output(record).write_bytes(done.stdout)
    if done.returncode == _INTERRUPTED:
        raise click.Abort
    if begun.exists():
        begun.replace(record)
    else:
        record.unlink(missing_ok=True)


def _measured(tracker: Tracker) -> TrackerMeasurement:
    script = tracker.script.read_bytes()
    records = [_record(tracker, browser) for browser in BROWSERS]
    runs = [read(record) for record in records if record.exists()]
    return TrackerMeasurement(
        name=tracker.name,
        version=tracker.version,
        minified=len(script),
        gzipped=len(gzip.compress(script, 9)),
        browsers={b["name"]: b["version"] for run in runs for b in run.info.browsers},
        refused=[r.stem.rpartition("-")[2] for r in records if not r.exists() and _output(r).exists()],
        results=[result for run in runs for result in run.results if result.browser],
    )


def _arrived(result: CaseResult) -> int:
    if result.tries:
        return int(result.tries["arrived"])
    return int(result.status in (Status.PASS, Status.OBSERVED))


def _tried(result: CaseResult) -> int:
    return int(result.tries["of"]) if result.tries else 1


def render(measured: Sequence[TrackerMeasurement], *, day: date) -> str:
    """Return the page docs/published-trackers.md."""
    versions: dict[str, str] = {}
    for one in measured:
        versions |= one.browsers
    browsers = [name for name in BROWSERS if name in versions]
    tables = [_sizes(measured), *(_table(measured, name, versions[name]) for name in browsers)]
    text = (PUBLISHED / "page.md").read_text(encoding="utf-8")
    return text.replace("{{day}}", day.isoformat()).replace("{{tables}}", "\n".join(tables))


def _sizes(measured: Sequence[TrackerMeasurement]) -> str:
    lines = ["## Sizes", "", "Bytes of the script in the page, bundled and minified.", ""]
    lines += ["| tracker | version | minified | gzipped |", "|---|---|---:|---:|"]
    lines += [f"| {m.name} | {m.version} | {m.minified:,} | {m.gzipped:,} |" for m in measured]
    return "\n".join([*lines, ""])


def _table(measured: Sequence[TrackerMeasurement], browser: str, version: str) -> str:
    tried = {result.id for one in measured for result in one.results if result.browser == browser}
    exits = [case.id for case in catalogue() if case.id in tried - {STAYS}]
    lines = [f"## {_ENGINES[browser]}", "", f"Version {version}.", ""]
    lines += ["| way out | " + " | ".join(m.name for m in measured) + " |", "|---|" + "---|" * len(measured)]
    for case in (*exits, STAYS):
        name = "*the page stays*" if case == STAYS else case.removeprefix(_EXIT)
        lines.append(f"| {name} | " + " | ".join(m.cell(case, browser) for m in measured) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
