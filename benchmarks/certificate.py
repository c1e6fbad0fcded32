"""Certify the reference on this machine, and write docs/certificate.md: ``make certificate`` (hours).

The steps: the checks in each engine with 50 tries of each exit, every mutant, a load beside yardsticks, and
faults under load. Their records are kept in ``build/certificate``, so that an interrupted
certificate is continued; a step is run again if the sources have changed since. The page is written after
each step and says which have not been run. Exit codes: 0 all steps passed, 1 a step failed or is missing.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.commands import run_python
from conformance import __version__
from conformance.browsers import BROWSERS, installed
from conformance.protocol.requirement_sets import current_set
from conformance.reports.delivery import matrix
from conformance.reports.load import figures, yardsticks
from conformance.reports.summary import headline
from conformance.results.record import read

ROOT = Path(__file__).parents[1]
MADE = ROOT / "build" / "certificate"
PAGE = ROOT / "docs" / "certificate.md"
_CLICKPORT = ("-m", "conformance")
_FAULTS = "faults.md"
# The sources that steps depend on, as pathspecs of git; documentation and tests may change without it.
_REFERENCE = ("reference_server", "tracker")
_MUTATED = (
    "conformance",
    ":(exclude)conformance/site",
    "fixtures",
    ":(exclude)fixtures/shop",
    "e2e",
    *_REFERENCE,
)
_CHECKED = (*_MUTATED, ":(exclude)conformance/mutants")
_LOADED = ("conformance/load", "conformance/cli", "load", *_REFERENCE)
_FAULTED = ("benchmarks/faults", *_REFERENCE)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of the certificate, the function that renders its records as Markdown, and its sources."""

    title: str
    words: tuple[str, ...]
    render: Callable[[Path], Iterator[str]]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The end of a step: its command, exit code and seconds, and the time, commit and sources of its run."""

    words: Sequence[str]
    code: int
    seconds: float
    ended: str
    sources: str
    commit: str = ""

    def current(self, step: Step) -> bool:
        """Return True if the sources of the step have not changed since."""
        return self.sources == digest(step.sources)


def _verdict(folder: Path, browser: str) -> Iterator[str]:
    run = read(folder / f"check-{browser}.jsonl")
    verdict = run.verdict()
    yield f"**{headline(run, verdict).sentence}**"
    yield ""
    yield "| lane | requirements | verified | not testable here | failed |"
    yield "|---|--:|--:|--:|--:|"
    for lane in dict.fromkeys(r.lane for r in verdict.requirements):
        every = [str(r.status) for r in verdict.requirements if r.lane == lane]
        statuses = [status for status in every if status != "excluded"]
        verified = statuses.count("pass") + statuses.count("observed")
        untestable = statuses.count("not-testable")
        yield f"| {lane} | {len(statuses)} | {verified} | {untestable} | {statuses.count('fail')} |"
    if not (exits := matrix(run, verdict)):
        return
    yield ""
    yield "Events whose requests outlived their page, of all tries (same origin / other origin):"
    yield ""
    titles = [group.title for group in exits.groups]
    yield f"| exit | {' | '.join(titles)} |"
    yield f"|---|{'--:|' * len(titles)}"
    for way, cells in exits.rows.items():
        shown = [
            " / ".join(cell.share if cell else "–" for cell in cells[at : at + 2])
            for at in range(0, len(cells), 2)
        ]
        yield f"| {way} | {' | '.join(shown)} |"
    yield ""
    yield from (f"- {engine}: {text}" for engine, text in exits.sums.items())


def _mutants(folder: Path) -> Iterator[str]:
    report = _json(folder / "selftest.json")
    yield "| implementations | number | as expected |"
    yield "|---|--:|--:|"
    for kind in dict.fromkeys(subject["kind"] for subject in report["subjects"]):
        own = [subject for subject in report["subjects"] if subject["kind"] == kind]
        yield f"| {kind} | {len(own)} | {sum(not subject['problems'] for subject in own)} |"
    yield ""
    yield from (f"- {problem}" for problem in report["problems"])


def _load(folder: Path) -> Iterator[str]:
    measured = _json(folder / "load.json")["load"]
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {text} |" for name, text in figures(measured).items())
    rows, remarks = yardsticks(measured)
    if rows:
        yield ""
        yield "| server | probe, a second | the reference is | Locust, a second | the reference is |"
        yield "|---|--:|--:|--:|--:|"
        yield from (f"| {r.name} | {r.probe} | {r.ratio} | {r.locust} | {r.locust_ratio} |" for r in rows)
        yield ""
        yield from (f"- {remark}" for remark in remarks)


def _faults(folder: Path) -> Iterator[str]:
    yield from (folder / _FAULTS).read_text(encoding="utf-8").splitlines()


def steps(repeat: int) -> dict[str, Step]:
    """Return the steps by name, in the order in which they are run."""
    return {
        **{f"check-{browser}": _check(browser, repeat) for browser in BROWSERS},
        "selftest": Step(
            title="The checks on every known fault",
            words=(*_CLICKPORT, "selftest", "--quick", "--jobs", "4", "--report", "json=selftest.json"),
            render=_mutants,
            sources=_MUTATED,
        ),
        "load": Step(
            title="Load",
            words=(
                *(*_CLICKPORT, "load", "--for", "30s", "--yardsticks"),
                *("--run-record", "load.jsonl", "--report", "json=load.json"),
            ),
            render=_load,
            sources=_LOADED,
        ),
        "faults": Step(
            title="Faults under load",
            words=("-m", "benchmarks.faults", "--runs", "1"),
            render=_faults,
            sources=_FAULTED,
        ),
    }


def _check(browser: str, repeat: int) -> Step:
    """Return the step of one engine: an interrupted certificate repeats no other, and each takes long."""
    name = f"check-{browser}"
    return Step(
        title=f"Every requirement in {browser}, with {repeat} tries of each exit",
        words=(
            *(*_CLICKPORT, "check", "--require-all", "--browser", browser, "--repeat", str(repeat)),
            *("--run-record", f"{name}.jsonl", "--report", f"html={name}.html"),
        ),
        render=partial(_verdict, browser=browser),
        sources=_CHECKED,
    )


def run(name: str, step: Step, folder: Path) -> StepResult:
    """Run a step in the folder and return its end, which is also written there. The output is shown."""
    sys.stderr.write(f"certificate: {name}: {' '.join(step.words)}\n")
    began, sources = time.monotonic(), digest(step.sources)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # The table of the faults is the output of their command; everything else writes its own files.
    with (folder / (_FAULTS if name == "faults" else f"{name}.log")).open("w", encoding="utf-8") as output:
        code = run_python(*step.words, cwd=folder, env=environment, stdout=output).returncode
    ended = StepResult(
        words=step.words,
        code=code,
        seconds=time.monotonic() - began,
        ended=datetime.now(UTC).isoformat(timespec="minutes"),
        sources=sources,
        commit=_commit(step.sources),
    )
    (folder / f"{name}.end.json").write_text(json.dumps(vars(ended)), encoding="utf-8")
    return ended


def last(name: str, step: Step, folder: Path) -> StepResult | None:
    """Return the end of a step's last run, or None if this command has not been run."""
    place = folder / f"{name}.end.json"
    ended = StepResult(**_json(place)) if place.exists() else None
    return ended if ended and list(ended.words) == list(step.words) else None


def digest(sources: Sequence[str]) -> str:
    """Return a digest of the files that pathspecs of git name, with changes that are not committed."""
    listed = _git("ls-files", "-s", "--", *sources)
    return hashlib.sha256(listed + _git("diff", "HEAD", "--", *sources)).hexdigest()[:16]


def _commit(sources: Sequence[str]) -> str:
    """Return the short name of the commit, with ``-dirty`` if the sources have changed since."""
    changed = "-dirty" if _git("diff", "HEAD", "--", *sources) else ""
    return _git("rev-parse", "--short", "HEAD").decode().strip() + changed


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


def machine() -> Iterator[tuple[str, str]]:
    """Yield what is known of this machine, as pairs of a name and a text."""
    yield "processors", f"{os.cpu_count()} × {_line('/proc/cpuinfo', 'model name') or platform.processor()}"
    yield "memory", _line("/proc/meminfo", "MemTotal") or "unknown"
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "Python", platform.python_version()
    for browser in installed():
        yield browser.name, browser.version


def page(
    chosen: Mapping[str, Step], ends: Mapping[str, StepResult | None], folder: Path, machine_: Sequence[Any]
) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Certificate of the reference",
        "",
        "The reference tracker and server, tested by this project itself. Each section names its command;",
        "the whole is made by `make certificate`, which continues where it was interrupted and takes hours.",
        "",
        f"clickport-conformance {__version__}, requirement set {current_set()}.",
        "",
        "| machine | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in machine_),
    ]
    for name, step in chosen.items():
        lines += ["", f"## {step.title}", ""]
        ended = ends[name]
        if ended is None:
            lines.append("Not run.")
            continue
        outcome = "passed" if ended.code == 0 else f"exit code {ended.code}"
        lines += [
            f"`{_command(step)}`: {outcome}, {_minutes(ended.seconds)}, {ended.ended}, commit {ended.commit}"
            + ("." if ended.current(step) else ", and the sources have changed since."),
            "",
        ]
        try:
            lines += step.render(folder)
        except (OSError, ValueError, KeyError) as error:
            lines.append(f"The records of this step cannot be read: {error}")
    return "\n".join(lines) + "\n"


def _command(step: Step) -> str:
    """Return the command of a step as a user types it."""
    return " ".join(("python", *step.words)).replace("python -m conformance", "clickport")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _json(place: Path) -> Any:
    return json.loads(place.read_text(encoding="utf-8"))


def _line(place: str, name: str) -> str:
    """Return the value of a line ``name: value`` of a file of the system, or ""."""
    try:
        lines = Path(place).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


@click.command(help=__doc__)
@click.option("--repeat", type=click.IntRange(1), default=50, show_default=True, help="Tries of each exit.")
@click.option("--step", "names", multiple=True, type=click.Choice(list(steps(50))), help="Run only this one.")
@click.option("--again", is_flag=True, help="Run steps again, also on unchanged sources.")
def main(repeat: int, names: tuple[str, ...], *, again: bool) -> None:
    """Run the steps that are missing, and write the page after each."""
    MADE.mkdir(parents=True, exist_ok=True)
    chosen = steps(repeat)
    ends = {name: last(name, step, MADE) for name, step in chosen.items()}
    here = list(machine())
    for name, step in chosen.items():
        ended = ends[name]
        if (not names or name in names) and (again or not (ended and ended.current(step))):
            ends[name] = run(name, step, MADE)
        PAGE.write_text(page(chosen, ends, MADE, here), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is written; the records are in {MADE.relative_to(ROOT)}\n")
    sys.exit(
        0
        if all((end := ends[name]) and end.current(step) and end.code == 0 for name, step in chosen.items())
        else 1
    )


if __name__ == "__main__":
    main()
