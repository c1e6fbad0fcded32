"""Runs ``clickport check``, or ``load``, on a subject, as a user would, and reads its run record."""

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from conformance.mutants.implementations import (
    HERE,
    Implementation,
    ImplementationKind,
    reference_server,
    source,
)
from conformance.paths import bundled
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import Lane
from conformance.results.record import Run, read

_DOMAIN = "example.com"
_SECONDS, _LOOK_SECONDS, _TIDY_SECONDS = 1800.0, 0.2, 30.0
# Enough to see a fault of one in a thousand, and no longer.
_LOAD = ("--rate", "300", "--for", "6s", "--patience", "5s")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a subject: the record of its run, or what kept it from being one."""

    subject: Implementation
    seconds: float
    run: Run | None = None
    problem: str = ""


def run_check_on(
    subject: Implementation,
    folder: Path,
    clickhouse: str,
    stop: threading.Event,
    *,
    own: bool = False,
    cases: Sequence[str] = (),
    browsers: Sequence[str] = ("chromium",),
) -> Trial:
    """Try a subject in a folder of its own, with a database of its own in ``clickhouse``.

    A mutant meets the cases of a requirement up to the first that fails in each lane. With ``own`` so do
    nulls and liars, nobody is searched, and a mutant meets only the requirement that it must fail. With
    ``cases`` they meet only those of these ids. An implementation of transformations meets only the cases of
    these. Trackers run in each of ``browsers``. Once ``stop`` is set the run ends, and tidies up.
    """
    started = time.monotonic()
    try:
        engines = [word for name in browsers for word in ("--browser", name)]
        selectors = [*engines, *_selectors(subject, own=own, cases=cases)]
        run, problem = _run(subject, folder, clickhouse, selectors, stop), ""
    except (ValueError, OSError, TargetUnavailable) as error:
        run, problem = None, str(error)
    return Trial(subject=subject, run=run, problem=problem, seconds=time.monotonic() - started)


def _selectors(subject: Implementation, *, own: bool, cases: Sequence[str]) -> Iterator[str]:
    """The options that say which cases a subject meets."""
    if subject.rows:
        yield from (word for row in subject.rows for word in ("--only", f"*-verbatim-{row}-*"))
        return
    if subject.cells:
        yield from (word for cell in subject.cells for word in ("--only", cell))
        return
    # One failure of a requirement tells as much as ten, and those of a null or a liar take the longest.
    if subject.kind is ImplementationKind.MUTANT or (
        own and subject.kind in (ImplementationKind.NULL, ImplementationKind.LYING)
    ):
        yield "--first-failure"
    if own and subject.kind is ImplementationKind.MUTANT:
        for requirement in subject.fails:
            yield from ("--only", requirement)
    if own:
        yield from ("--skip", "*-fuzz*")
    for pattern in cases:
        yield from ("--only", pattern)


def _run(
    subject: Implementation, folder: Path, clickhouse: str, selectors: Sequence[str], stop: threading.Event
) -> Run:
    folder.mkdir()
    database = _database(clickhouse, subject.name)
    record = folder / "run.jsonl"
    # Most of a null's cases wait for what never comes.
    jobs = "3" if subject.kind is ImplementationKind.NULL else "1"
    command = [sys.executable, "-m", "conformance"]
    if subject.lanes == (Lane.LOAD,):
        command += ["load", *_LOAD, *_server(subject, folder, database)]
    else:
        command += ["check", "--jobs", jobs, *(word for lane in subject.lanes for word in ("--lane", lane))]
        command += selectors
    command += ["--run-record", str(record)]
    if {Lane.TRACKER, Lane.PAIR} & set(subject.lanes):
        command += ["--tracker", str(_tracker(subject, folder))]
    if {Lane.SERVER, Lane.PAIR, Lane.DASHBOARD} & set(subject.lanes):
        command += _server(subject, folder, database)
    environment = {**os.environ, "CLICKHOUSE_URL": database, "PYTHONPATH": _python_path(folder)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said = _said(process, stop)
    if not record.exists():
        raise ValueError(f"exit code {process.returncode}: {said.strip()[-800:]}")
    return read(record)


def _said(process: subprocess.Popen[str], stop: threading.Event) -> str:
    """What a process told, at its end. Raises ValueError when it had to be ended because it took too long."""
    deadline = time.monotonic() + _SECONDS
    while not stop.is_set() and time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(timeout=_LOOK_SECONDS)
            return err or out
    process.terminate()
    try:
        out, err = process.communicate(timeout=_TIDY_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    if stop.is_set():
        return err or out
    raise ValueError(f"it did not end in {_SECONDS:g} s: {(err or out).strip()[-800:]}")


def _tracker(subject: Implementation, folder: Path) -> Path:
    if subject.kind is ImplementationKind.NULL:
        return HERE / "null" / "tracker.js"
    if subject.kind is ImplementationKind.INDEPENDENT:
        return HERE / "independent" / "tracker.js"
    if subject.kind is ImplementationKind.REFERENCE:
        return bundled("tracker/tracker.min.js")
    place = folder / "tracker.js"
    if subject.rows:
        parts = ["independent", "transforming"] if subject.lanes[0] is Lane.TRACKER else ["independent"]
        place.write_text("".join((HERE / part / "tracker.js").read_text("utf-8") for part in parts), "utf-8")
        return place
    text = bundled("tracker/tracker.js").read_text(encoding="utf-8")
    mutated = subject.edit and subject.edit.file == "tracker/tracker.js"
    place.write_text(subject.edit.apply(text) if subject.edit and mutated else text, encoding="utf-8")
    return place


def _server(subject: Implementation, folder: Path, database: str) -> list[str]:
    python = shlex.quote(sys.executable)
    rows = shlex.quote(str(folder / "rows.jsonl"))
    if subject.rows:
        part = "transforming" if subject.lanes[0] is Lane.SERVER else "independent"
        return _with_rows(f"{python} {_here(f'{part}/server.py')} {{port}} {rows}", rows)
    match subject.kind:
        case ImplementationKind.NULL:
            return ["--server-cmd", f"{python} {_here('null/server.py')} {{port}}", "--readback-cmd", "true"]
        case ImplementationKind.LYING:
            return [
                *("--server-cmd", f"{python} {_here('lying/server.py')} {{port}} {rows}"),
                *("--readback-cmd", f"{python} {_here('lying/readback.py')} {rows}"),
            ]
        case ImplementationKind.INDEPENDENT:
            return _with_rows(f"{python} {_here('independent/server.py')} {{port}} {rows}", rows)
    copy = folder / "reference_server"
    shutil.copytree(reference_server(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    if subject.edit and subject.edit.file.startswith("reference_server/"):
        place = folder / subject.edit.file
        place.write_text(subject.edit.apply(source(subject.edit.file).read_text("utf-8")), "utf-8")
    return [
        *("--server-cmd", f"{python} -m reference_server serve --port {{port}}"),
        *("--clickhouse", database, "--envelope", f'{{"d": "{_DOMAIN}"}}'),
    ]


def _with_rows(command: str, rows: str) -> list[str]:
    """Return the options for a server whose rows are lines of a file."""
    return ["--server-cmd", command, "--readback-cmd", f"cat {rows}"]


def _here(name: str) -> str:
    return shlex.quote(str(HERE / name))


def _python_path(folder: Path) -> str:
    """The subject's own copy of the server comes before the installed one."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))


def _database(clickhouse: str, name: str) -> str:
    """Make an empty database and return its URL. Raises TargetUnavailable."""
    database = name.replace("-", "_")
    try:
        httpx.post(clickhouse, content=f"CREATE DATABASE {database}", trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"could not make a database for {name}: {error}") from error
    return clickhouse.rpartition("/")[0] + f"/{database}"


def statuses(run: Run) -> Mapping[tuple[str, Lane], str]:
    """The status of each requirement in each lane of a run."""
    return {(r.id, r.lane): str(r.status) for r in run.verdict().requirements}
