"""The delivery matrix: exits (ways to leave a page) by engine, protocol and origin (DELIV-2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from conformance.protocol.requirements import Level
from conformance.protocol.transport import DEFAULT_PROTOCOL
from conformance.reports import summary
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict

_CASES = "tracker/deliv-2-"
ORIGINS = ("same", "cross")

# Exits in the order in which they are shown, and their titles. Others follow, titled by their case ids.
_WORDS = {
    "href": "location.href",
    "replace": "location.replace",
    "link": "link",
    "ping": "link with ping",
    "view-transition": "view transition",
    "new-tab": "link, new tab",
    "form": "form, POST",
    "form-get": "form, GET",
    "reload": "reload",
    "back": "back",
    "forward": "forward",
    "window-close": "window.close()",
    "tab-close": "tab closed",
    "frame-removed": "iframe removed",
    "pagehide": "in pagehide",
    "visibilitychange": "in visibilitychange",
    "beforeunload": "in beforeunload",
    "pageswap": "in pageswap",
    "popup-noopener": "window.open(), noopener",
    "form-target": "form, new tab",
    "download": "download",
    "mailto": "mailto:",
    "print": "print()",
    "intercept": "navigation intercepted",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The tries of one exit in one engine to one origin.

    An event counts as delivered if its request is alive after the page is gone; for exits without held
    answers, if it arrived. ``mark`` is pass, fail, warning, known (in the baseline), open (a MAY: measured
    only), error or another status.
    """

    mark: str
    tries: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> str:
        """Return the delivered tries of all tries, such as ``49/50``; without tries, the mark."""
        if not self.tries:
            return self.mark
        return f"{self.tries.get('kept', self.tries['arrived'])}/{self.tries['of']}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return other counts if they differ: ``arrived 50``, ``once 48``."""
        arrived, once = (self.tries.get(name, 0) for name in ("arrived", "once"))
        counts = (
            (arrived != self.tries.get("kept", arrived), "arrived", arrived),
            (once != arrived, "once", once),
        )
        return tuple(f"{word} {number}" for differs, word, number in counts if differs)


class Column(NamedTuple):
    """An engine, the protocol of its pages and endpoint, and the origin of the next page (same or cross)."""

    engine: str
    protocol: str
    origin: str

    @property
    def title(self) -> str:
        """Return the engine, with the protocol unless that is the default."""
        return self.engine if self.protocol == DEFAULT_PROTOCOL else f"{self.engine} over {self.protocol}"


@dataclass(frozen=True, kw_only=True)
class DeliveryMatrix:
    """A row of cells for each exit, one for each of ``columns``; None if not run."""

    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[Cell | None, ...]]

    @property
    def groups(self) -> tuple[Column, ...]:
        """Return the first column of each engine and protocol; the others follow it."""
        return self.columns[:: len(ORIGINS)]

    @property
    def protocols(self) -> tuple[str, ...]:
        """Return the protocols, or nothing if all pages were loaded by the default one."""
        names = tuple(dict.fromkeys(column.protocol for column in self.columns))
        return () if names == (DEFAULT_PROTOCOL,) else names

    @property
    def marks(self) -> frozenset[str]:
        """Return the marks that occur in the matrix."""
        return frozenset(cell.mark for row in self.rows.values() for cell in row if cell)

    @property
    def sums(self) -> Mapping[str, str]:
        """Return, by engine and protocol, the counts of all exits with held answers, as text."""
        sums = {}
        for title in (group.title for group in self.groups):
            tries = [
                cell.tries
                for row in self.rows.values()
                for column, cell in zip(self.columns, row, strict=True)
                if cell and column.title == title and "kept" in cell.tries
            ]
            if tries:
                counts = (f"{sum(each[name] for each in tries)} {name}" for name in _COUNTED)
                sums[title] = f"{sum(each['of'] for each in tries)} tries: {', '.join(counts)}"
        return sums


# The counts of ``drivers/delivery_counts.py``, apart from the tries.
_COUNTED = ("arrived", "once", "kept", "undelayed")


def matrix(run: Run, verdict: Verdict) -> DeliveryMatrix | None:
    """Return the delivery cases of a run as a matrix; None if none has run."""
    return combined([(run, verdict)])


def combined(runs: Sequence[tuple[Run, Verdict]]) -> DeliveryMatrix | None:
    """Return the delivery cases of several runs as one matrix; None if none has run.

    Of an engine, a protocol and an exit, the latest run counts that has tried it.
    """
    cells: dict[str, dict[Column, Cell]] = {}
    for run, verdict in runs:
        for result in run.results:
            if place := _place(result):
                way, origin = place
                column = Column(result.browser or "", run.info.protocol, origin)
                cells.setdefault(way, {})[column] = _cell(result, verdict)
    if not cells:
        return None
    tried = {column for row in cells.values() for column in row}
    known = dict.fromkeys(browser["name"] for run, _ in runs for browser in run.info.browsers)
    engines = [*known, *sorted({column.engine for column in tried} - set(known))]
    protocols = dict.fromkeys(run.info.protocol for run, _ in runs)
    groups = dict.fromkeys((column.engine, column.protocol) for column in tried)
    columns = tuple(
        Column(engine, protocol, origin)
        for engine in engines
        for protocol in protocols
        if (engine, protocol) in groups
        for origin in ORIGINS
    )
    ways = [way for way in _WORDS.values() if way in cells] + sorted(cells.keys() - set(_WORDS.values()))
    return DeliveryMatrix(
        columns=columns,
        rows={way: tuple(cells[way].get(column) for column in columns) for way in ways},
    )


def _place(result: CaseResult) -> tuple[str, str] | None:
    """Return the exit and the origin of a delivery case that has run; None for any other case."""
    way, _, origin = result.id.removesuffix("-origin").rpartition("-")
    if not result.id.startswith(_CASES) or origin not in ORIGINS or result.status is Status.NOT_RUN:
        return None
    way = way.removeprefix(_CASES)
    return _WORDS.get(way, way.replace("-", " ")), origin


def _cell(result: CaseResult, verdict: Verdict) -> Cell:
    if not result.tries:
        return Cell(mark=summary.status_word(result.status))
    mark = summary.case_word(result, verdict)
    if result.level is Level.MAY or mark == "upcoming":
        mark = "open"
    elif summary.is_known(result, verdict):
        mark = "known"
    return Cell(mark=mark, tries=result.tries)
