"""Run ``clickport check`` or ``load`` on an implementation as a user would, and read the run record."""

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
from importlib.util import cache_from_source
from pathlib import Path

import httpx

from conformance.mutants.check_process import CheckProcess
from conformance.mutants.implementations import (
    HERE,
    Implementation,
    ImplementationKind,
    reference_server,
    source,
)
from conformance.paths import bundled
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import Lane, requirements
from conformance.results.record import Run, read
from conformance.results.verdict import Status
from conformance.tls import trusted_authorities

_DOMAIN = "example.com"
_SECONDS, _LOOK_SECONDS, _TIDY_SECONDS = 1800.0, 0.2, 30.0
# Enough requests to notice a fault in one of a thousand.
# Kinds with many cases, or with cases that wait until their timeout, would otherwise end last.
_JOBS = {
    ImplementationKind.REFERENCE: "2",
    ImplementationKind.INDEPENDENT: "2",
    ImplementationKind.NULL: "3",
}
_LOAD = ("--rate", "300", "--for", "6s", "--patience", "5s")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The run of an implementation: its record, or the problem that prevented one."""

    subject: Implementation
    seconds: float
    run: Run | None = None
    problem: str = ""


class Trials:
    """Runs of the suite on implementations, each with a folder and a database of its own.

    Mutants are run by processes that stay, one for each thread, because starting Python and a browser takes
    longer than most trials; all others by the command, as users run it. Close after use.
    """

    def __init__(self, folder: Path, clickhouse: str) -> None:
        self.stop = threading.Event()
        self._folder = folder
        self._clickhouse = clickhouse
        self._own = threading.local()
        self._processes: list[CheckProcess] = []

    def close(self) -> None:
        """End every process; a run that is under way is ended and cleans up."""
        self.stop.set()
        for process in self._processes:
            process.close()

    def run(
        self,
        subject: Implementation,
        *,
        own: bool = False,
        cases: Sequence[str] = (),
        browsers: Sequence[str] = ("chromium",),
    ) -> Trial:
        """Run the suite on an implementation.

        A mutant is run against each requirement until a case of it fails in the lane. With ``own``, null and
        lying implementations are, too; nothing is searched; and a mutant is run against the requirement that
        it must fail only. ``cases`` are globs of the only cases to run. An implementation of transformations
        is run against their cases only. Trackers run in each of ``browsers``.
        """
        started = time.monotonic()
        try:
            engines = [word for name in browsers for word in ("--browser", name)]
            selectors = [*engines, *_selectors(subject, own=own, cases=cases)]
            run, problem = self._run(subject, selectors), ""
        except (ValueError, OSError, TargetUnavailable) as error:
            run, problem = None, str(error)
        return Trial(subject=subject, run=run, problem=problem, seconds=time.monotonic() - started)

    def _run(self, subject: Implementation, selectors: Sequence[str]) -> Run:
        folder = self._folder / subject.name
        folder.mkdir()
        database = _database(self._clickhouse, subject.name)
        record = folder / "run.jsonl"
        arguments = _arguments(subject, folder, database, selectors, record)
        environment = {"CLICKHOUSE_URL": database, "PYTHONPATH": _python_path(folder)}
        if subject.kind is ImplementationKind.MUTANT:
            code, out, err = self._process().run(arguments, folder, environment, self.stop)
            output = err or out
        else:
            code, output = _command(arguments, folder, environment, self.stop)
        if not record.exists():
            raise ValueError(f"exit code {code}: {output.strip()[-800:]}")
        return read(record)

    def _process(self) -> CheckProcess:
        if not hasattr(self._own, "process"):
            self._own.process = CheckProcess(seconds=_SECONDS, tidy_seconds=_TIDY_SECONDS)
            self._processes.append(self._own.process)
        process: CheckProcess = self._own.process
        return process


def _selectors(subject: Implementation, *, own: bool, cases: Sequence[str]) -> Iterator[str]:
    """Yield the options that select the cases for an implementation."""
    if subject.rows:
        yield from (word for row in subject.rows for word in ("--only", f"*-verbatim-{row}-*"))
        return
    if subject.cells:
        yield from (word for cell in subject.cells for word in ("--only", cell))
        return
    # One failure of a requirement is enough, and the failures of null and lying implementations are slow.
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


def _arguments(
    subject: Implementation, folder: Path, database: str, selectors: Sequence[str], record: Path
) -> list[str]:
    """Return the arguments of ``clickport`` for a run; write the implementation's files into the folder."""
    if subject.lanes == (Lane.LOAD,):
        arguments = ["load", *_LOAD, *_server(subject, folder, database)]
    else:
        arguments = [
            "check",
            "--jobs",
            _JOBS.get(subject.kind, "1"),
            *(word for lane in subject.lanes for word in ("--lane", lane)),
        ]
        arguments += selectors
    arguments += ["--run-record", str(record)]
    if {Lane.TRACKER, Lane.PAIR} & set(subject.lanes):
        arguments += ["--tracker", str(_tracker(subject, folder))]
    if {Lane.SERVER, Lane.PAIR, Lane.DASHBOARD} & set(subject.lanes):
        arguments += _server(subject, folder, database)
    return arguments


def _command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], stop: threading.Event
) -> tuple[int, str]:
    with subprocess.Popen(
        [sys.executable, "-m", "conformance", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        output = _output(process, stop)
    return process.returncode, output


def _output(process: subprocess.Popen[str], stop: threading.Event) -> str:
    """Wait for a process and return its errors, or else its output. Raises ValueError on a timeout.

    End the process if ``stop`` is set or the timeout has passed.
    """
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
    raise ValueError(f"the run did not end within {_SECONDS:g} s: {(err or out).strip()[-800:]}")


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
    # With its byte code, which Python takes for the files that are as old as in the original.
    shutil.copytree(reference_server(), folder / "reference_server", ignore=shutil.ignore_patterns("npm"))
    if subject.edit and subject.edit.file.startswith("reference_server/"):
        place = folder / subject.edit.file
        # Else the byte code of the original counts, if both are as long and were written in the same second.
        Path(cache_from_source(place)).unlink(missing_ok=True)
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
    """Return a PYTHONPATH on which the copy of the server in ``folder`` precedes the installed one."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))


def _database(clickhouse: str, name: str) -> str:
    """Make an empty database and return its URL. Raises TargetUnavailable."""
    database = name.replace("-", "_")
    try:
        httpx.post(
            clickhouse, content=f"CREATE DATABASE {database}", trust_env=False, verify=trusted_authorities()
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"could not create a database for {name}: {error}") from error
    return clickhouse.rpartition("/")[0] + f"/{database}"


def statuses(run: Run) -> Mapping[tuple[str, Lane], str]:
    """Return the status of each requirement of a run, by id and lane; of upcoming ones only failures."""
    verdict = run.verdict()
    decided = {(r.id, r.lane): str(r.status) for r in verdict.requirements}
    # A verdict leaves them out, but their mutants must be noticed before they count.
    failed = {
        (case.requirement, case.lane): str(case.status)
        for case in verdict.upcoming
        if case.status is Status.FAIL and case.level is requirements()[case.requirement].level
    }
    return {**decided, **failed}
