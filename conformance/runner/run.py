"""A run of the checks: start the targets, run pytest over the cases, write the record."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from conformance.browsers import Installed
from conformance.harness.options import Options, UsageError
from conformance.harness.run_context import BROWSER_LANES, RunContext, prepare
from conformance.protocol.cases import Case, select
from conformance.protocol.requirements import Lane, requirements
from conformance.results import counterexamples
from conformance.results.counterexamples import Counterexample, counterexample_of
from conformance.results.record import RecordWriter, Run, in_use, read
from conformance.results.verdict import CaseResult, Part
from conformance.runner.session import Checks, Referee, pytest_arguments

# Settings of a user's environment for other pytest runs must not affect this one.
_PYTEST_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}

_RESULTS_EACH = 40
_TOGETHER = {Lane.SERVER, Lane.DASHBOARD}


class RunListener(Protocol):
    """Listener for the progress of a run."""

    def start(self, expected: Mapping[Part, int]) -> None:
        """Take note that the checks begin, with the number of results that are expected of each part."""
        ...

    def case_done(self, result: CaseResult) -> None:
        """Take note of a result; deselected cases are not reported."""
        ...

    def stop(self) -> None:
        """Take note that no more results follow."""
        ...


def run(options: Options, *, jobs: int, record: Path, watcher: RunListener) -> Run:
    """Run the checks that ``options`` select in ``jobs`` processes; write the record and return it.

    Raises UsageError or UnknownSelector before anything is started, TargetUnavailable or BrowserMissing if no
    verdict is possible, OSError if the record cannot be written, and KeyboardInterrupt.
    """
    cases = chosen_cases(options)
    with in_use(record), prepare(options) as setup, RecordWriter(record, setup.info()) as writer:

        def keep(result: CaseResult) -> None:
            writer.add(result)
            found.extend(counterexample_of(result))
            if not result.deselected:
                watcher.case_done(result)

        found: list[Counterexample] = []
        expected = Counter(part for case in cases for part in _parts_of(case, setup))
        watcher.start(expected)
        try:
            processes = _processes(cases, expected.total(), setup.options.repeat, at_most=jobs)
            writer.canaries = _run_pytest(setup, processes, keep)
        finally:
            watcher.stop()
            counterexamples.add(Path(options.counterexamples), found)
    return read(record)


def chosen_cases(options: Options) -> list[Case]:
    """Return the cases that will run. Raises UsageError if the selectors leave none, or UnknownSelector."""
    cases, deselected = select(lanes=options.lanes, only=options.only, skip=options.skip, part=options.part)
    if deselected and not cases:
        lanes = ", ".join(options.lanes)
        named = [requirements()[p.upper()] for p in options.only if p.upper() in requirements()]
        if pending := [f"{r.id}: {reason}" for r in named for reason in dict.fromkeys(r.excluded.values())]:
            raise UsageError(f"--only names requirements without a case in {lanes} ({'; '.join(pending)})")
        if options.part:
            raise UsageError(f"--only, --skip and --shard {options.shard} leave no case of {lanes}")
        raise UsageError(f"--only and --skip leave no case of the lanes that would run ({lanes})")
    return cases


def _parts_of(case: Case, setup: RunContext) -> Iterator[Part]:
    """Yield the part of the run of each result of a case."""
    browsers: Iterable[Installed] = setup.browsers if case.lane in BROWSER_LANES else ()
    if case.lane is Lane.DASHBOARD:
        browsers = setup.viewers if case.on_page else ()
    if not browsers:
        yield Part(case.lane, None)
    yield from (Part(case.lane, browser.name) for browser in browsers)


def _processes(cases: Iterable[Case], results: int, repeat: int, *, at_most: int) -> int:
    """Return the number of processes: each starts a browser of its own, which a few cases do not repay.

    The cases of a server or dashboard share a task, and the drawn ones another: more processes have no work.
    """
    tasks = {(case.lane, case.drawn) for case in cases}
    if all(lane in _TOGETHER for lane, _ in tasks):
        at_most = min(at_most, len(tasks))
    return at_most if repeat > 1 else min(at_most, -(-results // _RESULTS_EACH))


def _run_pytest(setup: RunContext, jobs: int, keep: Callable[[CaseResult], None]) -> dict[str, str]:
    referee = Referee(setup, keep)
    with _environment(), referee.interrupts.remembered():
        code = pytest.main(list(pytest_arguments(setup, jobs)), plugins=[referee, Checks(setup)])
    interrupted = code == pytest.ExitCode.INTERRUPTED or referee.interrupts.seen
    if interrupted and not referee.problems:
        raise KeyboardInterrupt
    referee.conclude()
    return referee.canaries


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _PYTEST_ENVIRONMENT}
    os.environ.update(_PYTEST_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
