"""Measure what published trackers deliver when their page is left, and what they cost it and leave there.

Install the trackers from npm by ``benchmarks/published/package-lock.json``, bundle each, run the cases of
each subject on it, and write docs/published-trackers.md (``delivery``) and docs/published-neighbours.md
(``neighbour``). All other files are written to ``.clickport/published``, which git ignores.
"""

import gzip
import json
import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.commands import run_clickport
from conformance import __version__
from conformance.browsers import BROWSERS, installed
from conformance.protocol.cases import catalogue
from conformance.results.record import read
from conformance.results.verdict import CaseResult, Status

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "benchmarks" / "published"
MADE = ROOT / ".clickport" / "published"
# The cases of each subject: each exit, and an event whose page stays open; the family GOOD.
CASES = {"delivery": ("deliv-2-*", "deliv-4-call-returns-at-once"), "neighbour": ("GOOD-*",)}
PAGES = {"delivery": "published-trackers.md", "neighbour": "published-neighbours.md"}
TEMPLATES = {"delivery": "page.md", "neighbour": "neighbours.md"}
STAYS = "tracker/deliv-4-call-returns-at-once"
_EXIT, _GOOD = "tracker/deliv-2-", "tracker/good-"
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
        return f"{_arrived(result)}/{result.tries['of'] if result.tries else 1}"


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
@click.option(
    "--subject",
    "subjects",
    type=click.Choice(tuple(CASES)),
    multiple=True,
    default=tuple(CASES),
    show_default=True,
    help="Measure this alone (repeatable).",
)
@click.option("--render-only", is_flag=True, help="Write the pages from the records of the last run.")
def main(
    repeat: int,
    names: tuple[str, ...],
    browsers: tuple[str, ...],
    subjects: tuple[str, ...],
    render_only: bool,
) -> None:
    """Measure the published trackers and the reference, and write a page of docs/ for each subject."""
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
                for subject in subjects:
                    click.echo(f"measuring {tracker.name} in {browser}: {subject}")
                    _measure(tracker, browser, subject, repeat)
    for subject in subjects:
        measured = [_measured(tracker, subject) for tracker in trackers]
        page = ROOT / "docs" / PAGES[subject]
        page.write_text(render(measured, subject, day=datetime.now(UTC).date()), encoding="utf-8")
        click.echo(f"wrote {page.relative_to(ROOT)}")


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


def _record(tracker: Tracker, browser: str, subject: str) -> Path:
    return MADE / subject / f"{tracker.name}-{browser}.jsonl"


def _output(record: Path) -> Path:
    return record.with_suffix(".txt")


def _measure(tracker: Tracker, browser: str, subject: str, repeat: int) -> None:
    """Run the cases of a subject on a tracker and keep the record; the verdict is ignored."""
    record = _record(tracker, browser, subject)
    record.parent.mkdir(parents=True, exist_ok=True)
    begun = record.with_suffix(".begun")
    words = ["--tracker", str(tracker.script.relative_to(ROOT)), *tracker.mapping, "--lane", "tracker"]
    words += [word for case in CASES[subject] for word in ("--only", case)]
    words += ["--browser", browser, "--repeat", str(repeat), "--run-record", str(begun)]
    words += ["--counterexamples", str(MADE / f"counterexamples-{browser}.jsonl")]
    done = run_clickport("check", *words, cwd=ROOT, stdout=subprocess.PIPE)
    _output(record).write_text(done.stdout, encoding="utf-8")
    if done.returncode == _INTERRUPTED:
        raise click.Abort
    if begun.exists():
        begun.replace(record)
    else:
        record.unlink(missing_ok=True)


def _measured(tracker: Tracker, subject: str) -> TrackerMeasurement:
    script = tracker.script.read_bytes()
    records = [_record(tracker, browser, subject) for browser in BROWSERS]
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


def render(measured: Sequence[TrackerMeasurement], subject: str, *, day: date) -> str:
    """Return the page of a subject."""
    versions: dict[str, str] = {}
    for one in measured:
        versions |= one.browsers
    browsers = [name for name in BROWSERS if name in versions]
    table = _neighbour_table if subject == "neighbour" else _table
    tables = [_sizes(measured), *(table(measured, name, versions[name]) for name in browsers)]
    text = (PUBLISHED / TEMPLATES[subject]).read_text(encoding="utf-8")
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


def _neighbour_table(measured: Sequence[TrackerMeasurement], browser: str, version: str) -> str:
    ran = [one for one in measured if browser in {*one.browsers, *one.refused}]
    cases = [case for case in catalogue() if case.id.startswith(_GOOD)]
    names = [case.id.removeprefix(_GOOD) for case in cases]
    lines = [f"## {_ENGINES[browser]}", "", f"Version {version}.", ""]
    lines += ["| | " + " | ".join(m.name for m in ran) + " |", "|---|" + "---|" * len(ran)]
    for case, name in zip(cases, names, strict=True):
        found = [next((r for r in m.results if (r.id, r.browser) == (case.id, browser)), None) for m in ran]
        lines.append(f"| {name} | " + " | ".join(map(neighbour_cell, found)) + " |")
    return "\n".join([*lines, ""])


def neighbour_cell(result: CaseResult | None) -> str:
    """Return the text of a case of the family GOOD: what was measured, or the outcome."""
    if result is None:
        return NOT_APPLICABLE
    if result.status is Status.NOT_TESTABLE:
        return "not seen" if "API-2" in result.detail else "not testable"
    seen = result.received
    match result.id.removeprefix(_GOOD):
        case _ if result.status is Status.ERROR:
            return "undecided"
        case "1-page-comes-back":
            return "restored" if seen["restored"] else "**loaded anew**"
        case "2-no-listener-of-the-end" | "5-no-cookie":
            return f"**{len(seen)}**" if seen else "none"
        case "4-cost-of-loading" | "4-cost-of-a-call":
            ratio = f"{seen['ratio']:,.1f}"
            return f"**{ratio}**" if result.status is Status.FAIL else ratio
        case "6-little-storage":
            text = f"{len(seen['entries'])}: {seen['bytes']:,} B" + ("; database" if seen["stores"] else "")
            return f"**{text}**" if result.status is Status.FAIL else text
        case _ if result.status is Status.FAIL:
            return "**lost**" if "no request arrived" in result.detail else "**reported**"
    # Global Privacy Control is open: its detail says that nothing was sent.
    return "silent" if result.detail else "sent"


if __name__ == "__main__":
    main()
