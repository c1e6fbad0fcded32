"""One load: Locust started, its journals followed while it sends, rows awaited and compared at the end."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.harness.run_context import RunContext
from conformance.load.await_rows import SENTINEL, settle
from conformance.load.figures import ERROR_SHARE, Figures
from conformance.load.fingerprint import Nonce
from conformance.load.journal import JournalEntry, JournalReader, Phase, clock, phases
from conformance.load.ledger import Ledger, Reconciled, Row
from conformance.load.mix import EventGenerator, RequestKind, read
from conformance.load.monitor import Monitor
from conformance.load.plan import Plan
from conformance.load.progress import LoadProgress
from conformance.load.stored import Stored, stored
from conformance.paths import bundled
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.process import Process, free_port

_POLL_SECONDS = 0.2
# Of the acknowledged events so many a second are followed to their row.
_FOLLOWED_A_SECOND = 20.0
# Once everything is stored, those are still looked for.
_UNSEEN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class LoadMeasurement:
    """What a load came to. ``reconciled`` is None without a readback; ``report`` is plain data."""

    plan: Plan
    reconciled: Reconciled | None
    acknowledged: int
    statuses: str
    canary: str
    report: dict[str, Any]


def measure(setup: RunContext, plan: Plan, progress: LoadProgress, *, patience: float) -> LoadMeasurement:
    """Send what the plan says to the server of a setup. Raises TargetUnavailable and RuntimeError.

    ``patience`` is how many seconds a row may take.
    """
    return _Run(setup, plan, progress).go(patience)


class _Run:
    def __init__(self, setup: RunContext, plan: Plan, progress: LoadProgress) -> None:
        assert setup.server
        self._setup = setup
        self._url = setup.server.event_url
        self._plan = plan
        self._progress = progress
        self._figures = Figures()
        self._ledger = Ledger()
        self._stride = max(1, round(plan.rate / _FOLLOWED_A_SECOND))
        self._phases: tuple[Phase, ...] = ()

    def go(self, patience: float) -> LoadMeasurement:
        watch = Monitor(
            self._url,
            self._stored(),
            visible=lambda moment, seconds: self._figures.at(moment).visible.add(seconds),
            figures=self._observed,
        )
        found = self._stored()
        settled = None
        with watch:
            self._send(watch)
            self._require_answers()
            if found and self._ledger.acknowledged:
                settled = self._settle(found, patience)
                watch.wait_for_rows(min(patience, _UNSEEN_SECONDS))
        return self._conclude(found, settled)

    def _send(self, watch: Monitor) -> None:
        with tempfile.TemporaryDirectory(prefix="clickport-load-") as name:
            folder = Path(name)
            journals = JournalReader(folder)
            self._progress.say(f"sending {self._plan.words()}")
            with locust(self._plan, self._url, self._setup.run, folder) as process:
                while process.exit_code is None:
                    time.sleep(_POLL_SECONDS)
                    self._follow(journals, watch)
                    second = self._figures.number(clock()) - 2
                    if second in self._figures.seconds:
                        part = f"{second + 1} s"
                        self._progress.show(part, self._figures.seconds[second], watch.unseen())
                self._follow(journals, watch)
                if process.exit_code:
                    tail = process.tail(40)
                    raise RuntimeError(f"Locust ended with exit code {process.exit_code}.\n{tail}")
            self._phases = phases(folder)

    def _require_answers(self) -> None:
        statuses = self._figures.statuses
        if not statuses:
            raise RuntimeError("Locust ended without having sent anything")
        if set(statuses) == {"no answer"}:
            why = "; ".join(self._figures.report()["texts"]) or "no reason was given"
            raise TargetUnavailable(f"{self._url} answered none of {statuses.total()} requests: {why}")

    def _conclude(self, found: Stored | None, settled: float | None) -> LoadMeasurement:
        reconciled, canary = None, ""
        if found and settled is not None:
            self._ledger.stored(row for row in found.rows() if not _is_sentinel(row))
            reconciled = self._ledger.reconcile(self._setup.run)
            canary = self._canary(reconciled)
        return LoadMeasurement(
            plan=self._plan,
            reconciled=reconciled,
            acknowledged=self._ledger.acknowledged,
            statuses=", ".join(f"{n} times {status}" for status, n in self._figures.statuses.items()),
            canary=canary,
            report=self._report(reconciled, settled, found.size() if found else None),
        )

    def _settle(self, found: Stored, patience: float) -> float:
        self._progress.say(f"waiting for the rows of {self._ledger.acknowledged} acknowledged events")
        sender = EventGenerator(
            read(self._plan.mix), run=self._setup.run, name=SENTINEL, seed=0, envelope=self._setup.envelope
        )
        acknowledged = self._ledger.acknowledged
        return settle(
            found,
            self._url,
            sender,
            domain=self._plan.domain,
            expected=acknowledged,
            patience=patience,
        )

    def _canary(self, before: Reconciled) -> str:
        """Bend the record of two events and compare again: what does not notice that proves nothing."""
        if not self._ledger.bend():
            return ""
        after = self._ledger.reconcile(self._setup.run)
        if (after.lost, after.doubled) != (before.lost + 1, before.doubled + 1):
            raise RuntimeError(f"a bent record was not noticed: {before} became {after}")
        return "noticed"

    def _follow(self, tail: JournalReader, watch: Monitor) -> None:
        for answer in tail.new():
            self._figures.answered(answer)
            self._ledger.answered(answer)
            sampled = answer.kind is RequestKind.EVENT and answer.number % self._stride == 0
            if sampled and answer.acknowledged:
                watch.follow(_nonce(answer, self._setup.run), answer.done)

    def _observed(self, backlog: float | None, memory: float | None) -> None:
        second = self._figures.at(clock())
        second.backlog, second.memory = backlog, memory

    def _stored(self) -> Stored | None:
        readback = self._setup.readback()
        return stored(readback, self._setup.run) if readback else None

    def _report(
        self, reconciled: Reconciled | None, settled: float | None, size: float | None
    ) -> dict[str, Any]:
        plan, report = self._plan, self._figures.report()
        p95 = report["latency"]["p95_ms"]
        met = (
            p95 is not None
            and p95 <= plan.objective * 1000
            and report["errors"] <= ERROR_SHARE * report["requests"]
        )
        sustained = self._figures.sustained(self._phases, plan.objective)
        if plan.shape == "ramp":
            met = bool(sustained and sustained["met"])
        return {
            "plan": plan.words(),
            "shape": plan.shape,
            "rate": plan.rate,
            "seconds": plan.duration,
            "objective": {"p95_ms": plan.objective * 1000, "met": met},
            "sustained": sustained,
            "events": _plain(reconciled),
            "settled_s": None if settled is None else round(settled, 2),
            "bytes_an_event": None if size is None else round(size, 1),
            **report,
        }


@contextmanager
def locust(plan: Plan, url: str, run: str, journal: Path) -> Iterator[Process]:
    """Locust, sending; stopped, with its workers, at the end. It runs in the folder of its journals, so that
    no configuration file of somebody else's tests is taken for its own.
    """
    words = [
        *(sys.executable, "-P", "-m", "locust", "-f", str(bundled("load/locustfile.py"))),
        *("--headless", "--only-summary", "--loglevel", "ERROR", "--exit-code-on-error", "0"),
        *("--stop-timeout", "30", *_processes(plan), *plan.arguments(url, run, journal)),
    ]
    with Process(words, cwd=journal) as process:
        yield process


def _processes(plan: Plan) -> Sequence[str]:
    if plan.processes == 1:
        return ()
    port = str(free_port())
    return ("--processes", str(plan.processes), "--master-bind-port", port, "--master-port", port)


def _is_sentinel(row: Row) -> bool:
    return row.nonce is not None and row.nonce.sender == SENTINEL


def _nonce(answer: JournalEntry, run: str) -> str:
    return Nonce(answer.sender, answer.number).text(run)


def _plain(reconciled: Reconciled | None) -> dict[str, Any] | None:
    return None if reconciled is None else {**vars(reconciled)}
