"""One load: start Locust, follow its journals while it sends, then wait for the rows and compare."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.harness.run_context import RunContext
from conformance.load.await_rows import SENTINEL, await_rows
from conformance.load.figures import ERROR_SHARE, Figures
from conformance.load.fingerprint import Nonce
from conformance.load.journal import JournalReader, Phase, clock, phases
from conformance.load.ledger import Ledger, Reconciled, Row
from conformance.load.mix import EventGenerator, RequestKind, read
from conformance.load.monitor import Monitor
from conformance.load.plan import LoadPlan
from conformance.load.progress import LoadProgress
from conformance.load.stored import Stored, stored
from conformance.paths import bundled
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.process import Process, free_port

_POLL_SECONDS = 0.2
# The acknowledged events that are followed to their row, a second.
_FOLLOWED_A_SECOND = 20.0
# The longest wait for followed events once everything is stored.
_UNSEEN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class LoadMeasurement:
    """The outcome of a load.

    ``reconciled`` needs a readback and an acknowledged event, else None. ``canary`` is ``noticed`` if the
    comparison noticed a falsified ledger, else empty. ``report`` is plain data.
    """

    plan: LoadPlan
    reconciled: Reconciled | None
    acknowledged: int
    statuses: str
    canary: str
    report: dict[str, Any]


def measure(setup: RunContext, plan: LoadPlan, progress: LoadProgress, *, patience: float) -> LoadMeasurement:
    """Load the server of ``setup`` by ``plan`` and compare the acknowledged events with the stored rows.

    ``patience`` is the longest wait for a row, in seconds. Raises TargetUnavailable, and RuntimeError if
    Locust fails or the canary is not noticed.
    """
    return _Run(setup, plan, progress).go(patience)


class _Run:
    def __init__(self, setup: RunContext, plan: LoadPlan, progress: LoadProgress) -> None:
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
        monitor = Monitor(
            self._url,
            self._stored(),
            visible=lambda moment, seconds: self._figures.at(moment).visible.add(seconds),
            figures=self._observed,
        )
        rows = self._stored()
        waited = None
        with monitor:
            self._send(monitor)
            self._require_answers()
            if rows and self._ledger.acknowledged:
                waited = self._await_rows(rows, patience)
                monitor.wait_for_rows(min(patience, _UNSEEN_SECONDS))
        return self._conclude(rows, waited)

    def _send(self, monitor: Monitor) -> None:
        with tempfile.TemporaryDirectory(prefix="clickport-load-") as name:
            folder = Path(name)
            journals = JournalReader(folder)
            self._progress.say(f"sending {self._plan.words()}")
            with locust(self._plan, self._url, self._setup.run, folder) as process:
                while process.exit_code is None:
                    time.sleep(_POLL_SECONDS)
                    self._follow(journals, monitor)
                    second = self._figures.number(clock()) - 2
                    if second in self._figures.seconds:
                        part = f"{second + 1} s"
                        self._progress.show(part, self._figures.seconds[second], monitor.unseen())
                self._follow(journals, monitor)
                if process.exit_code:
                    tail = process.tail(40)
                    raise RuntimeError(f"Locust ended with exit code {process.exit_code}.\n{tail}")
            self._phases = phases(folder)

    def _require_answers(self) -> None:
        statuses = self._figures.statuses
        if not statuses:
            raise RuntimeError("Locust ended without sending a request")
        if set(statuses) == {"no answer"}:
            why = "; ".join(self._figures.report()["texts"]) or "no reason was given"
            raise TargetUnavailable(f"{self._url} answered none of {statuses.total()} requests: {why}")

    def _conclude(self, rows: Stored | None, waited: float | None) -> LoadMeasurement:
        reconciled, canary = None, ""
        if rows and waited is not None:
            self._ledger.stored(row for row in rows.rows() if not _is_sentinel(row))
            reconciled = self._ledger.reconcile(self._setup.run)
            canary = self._canary(reconciled)
        return LoadMeasurement(
            plan=self._plan,
            reconciled=reconciled,
            acknowledged=self._ledger.acknowledged,
            statuses=", ".join(f"{n} times {status}" for status, n in self._figures.statuses.items()),
            canary=canary,
            report=self._report(reconciled, waited, rows.size() if rows else None),
        )

    def _await_rows(self, rows: Stored, patience: float) -> float:
        self._progress.say(f"waiting for the rows of {self._ledger.acknowledged} acknowledged events")
        generator = EventGenerator(
            read(self._plan.mix), run=self._setup.run, name=SENTINEL, seed=0, envelope=self._setup.envelope
        )
        acknowledged = self._ledger.acknowledged
        return await_rows(
            rows,
            self._url,
            generator,
            domain=self._plan.domain,
            expected=acknowledged,
            patience=patience,
        )

    def _canary(self, before: Reconciled) -> str:
        """Falsify the ledger of two events and compare again. Raises RuntimeError unless that is noticed."""
        if not self._ledger.bend():
            return ""
        after = self._ledger.reconcile(self._setup.run)
        if (after.lost, after.doubled) != (before.lost + 1, before.doubled + 1):
            raise RuntimeError(f"the comparison did not notice a falsified ledger: {before} became {after}")
        return "noticed"

    def _follow(self, journals: JournalReader, monitor: Monitor) -> None:
        for answer in journals.new():
            self._figures.answered(answer)
            self._ledger.answered(answer)
            sampled = answer.kind is RequestKind.EVENT and answer.number % self._stride == 0
            if sampled and answer.acknowledged:
                monitor.follow(Nonce(answer.sender, answer.number).text(self._setup.run), answer.done)

    def _observed(self, backlog: float | None, memory: float | None) -> None:
        second = self._figures.at(clock())
        second.backlog, second.memory = backlog, memory

    def _stored(self) -> Stored | None:
        readback = self._setup.readback()
        return stored(readback, self._setup.run) if readback else None

    def _report(
        self, reconciled: Reconciled | None, waited: float | None, size: float | None
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
            "objective": {"p95_ms": plan.objective * 1000, "met": met, "asked": plan.objective_asked},
            "sustained": sustained,
            "events": None if reconciled is None else {**vars(reconciled)},
            "settled_s": None if waited is None else round(waited, 2),
            "bytes_an_event": None if size is None else round(size, 1),
            **report,
        }


@contextmanager
def locust(plan: LoadPlan, url: str, run: str, journal: Path) -> Iterator[Process]:
    """Run Locust by a plan; stop it, with its workers, at the end.

    Its working folder is that of its journals, so that it reads no Locust configuration of the user's.
    """
    words = [
        *(sys.executable, "-P", "-m", "locust", "-f", str(bundled("load/locustfile.py"))),
        *("--headless", "--only-summary", "--loglevel", "ERROR", "--exit-code-on-error", "0"),
        *("--stop-timeout", "30", *_processes(plan), *plan.arguments(url, run, journal)),
    ]
    with Process(words, cwd=journal) as process:
        yield process


def _processes(plan: LoadPlan) -> Sequence[str]:
    if plan.processes == 1:
        return ()
    port = str(free_port())
    return ("--processes", str(plan.processes), "--master-bind-port", port, "--master-port", port)


def _is_sentinel(row: Row) -> bool:
    return row.nonce is not None and row.nonce.sender == SENTINEL
