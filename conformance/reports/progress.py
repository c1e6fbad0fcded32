"""Progress of a run: a live line on a terminal, a plain line every 10 s or more in a log.

Both get a line for each lane, in each browser, as soon as it is decided.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Live

from conformance.protocol.requirements import Level
from conformance.reports.text import one_line
from conformance.results.verdict import CaseResult, Part, Status

_SECONDS = 10.0
# A log line is due when 10 % of the elapsed time has passed: about thirty lines for an hour, not hundreds.
_SHARE = 0.1


class RunProgress:
    """Prints the progress of a run, case by case; ``live`` and ``clock`` are for tests.

    ``known`` are ids of cases and counterexamples in the baseline. With ``strict``, failing SHOULDs count as
    failures.
    """

    def __init__(
        self,
        console: Console,
        *,
        strict: bool = False,
        known: Collection[str] = (),
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._binding = (Level.MUST, Level.SHOULD) if strict else (Level.MUST,)
        self._known = frozenset(known)
        # A log with forced colour counts as interactive for rich: ask the file as well.
        self._live = (console.is_interactive and console.file.isatty()) if live is None else live
        self._clock = clock
        self._bar: Live | None = None
        self._counts: Counter[str] = Counter()
        self._open: Counter[Part] = Counter()
        self._expected: Mapping[Part, int] = {}
        self._violated: dict[Part, set[str]] = {}
        self._total = self._done = 0
        self._started = self._printed = clock()

    def start(self, expected: Mapping[Part, int]) -> None:
        """Start, with the number of results that are expected of each part of the run."""
        total = sum(expected.values())
        self._expected, self._open, self._violated = dict(expected), Counter(expected), {}
        self._total, self._done = total, 0
        self._started = self._printed = self._clock()
        self._counts.clear()
        if self._live:
            self._bar = Live(
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("", total=total)
        else:
            self._console.print(f"{total} case{'s' * (total != 1)} to run", highlight=False, soft_wrap=True)

    def case_done(self, result: CaseResult) -> None:
        """Count a case, and print the tally if it is due."""
        self._done += 1
        kind = self._kind(result)
        if kind:
            self._counts[kind] += 1
        part = Part(result.lane, result.browser)
        if kind == "failed":
            self._violated.setdefault(part, set()).add(result.requirement)
        self._open[part] -= 1
        if not self._open[part]:
            self._decide(part)
        if self._bar:
            description = f"{self._tally()}  {one_line(result.id)[:40]}"
            self._bar.update(self._bar.task_ids[0], advance=1, description=description.strip())
        elif self._due():
            self._print()

    def stop(self) -> None:
        """Remove the live line; may be called more than once."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _decide(self, part: Part) -> None:
        """Print the outcome of a part of the run, which is known before that of the whole."""
        violated = ", ".join(sorted(self._violated.get(part, ())))
        number = self._expected[part]
        outcome = f"violates {violated}" if violated else "nothing violated"
        cases = f"{number} case{'s' * (number != 1)}"
        seconds = self._clock() - self._started
        line = f"{part}: {outcome} in {cases} ({seconds:.0f} s)"
        (self._bar.console if self._bar else self._console).print(line, highlight=False, soft_wrap=True)

    def _kind(self, result: CaseResult) -> str | None:
        if result.upcoming:
            return None
        match result.status:
            case Status.FAIL:
                if self._known & {result.id, result.known_as}:
                    return "failed as known"
                return "failed" if result.level in self._binding else "warned"
            case Status.ERROR:
                return "in error"
            case Status.NOT_TESTABLE:
                return "not testable"
        return None

    def _tally(self) -> str:
        order = ("failed", "failed as known", "in error", "warned", "not testable")
        return ", ".join(f"{self._counts[kind]} {kind}" for kind in order if self._counts[kind])

    def _due(self) -> bool:
        now = self._clock()
        return now - self._printed >= max(_SECONDS, _SHARE * (now - self._started))

    def _print(self) -> None:
        self._printed = self._clock()
        tally = self._tally() or "no failure"
        seconds = self._printed - self._started
        line = f"{self._done} of {self._total} cases, {tally} ({seconds:.0f} s)"
        self._console.print(line, highlight=False, soft_wrap=True)
