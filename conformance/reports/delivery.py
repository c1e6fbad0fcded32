"""Leaving a page: the matrix of ways out, engines and origins."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.protocol.requirements import Level
from conformance.reports import summary
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict

_CASES = "tracker/deliv-2-"
ORIGINS = ("same", "cross")

# The ways in the order in which they are shown; others follow, under their names in the ids.
_WORDS = {
    "href": "location.href",
    "replace": "location.replace",
    "link": "link",
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
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One way out in one engine to one origin.

    Delivered is, where answers were held back, that a request lived on when the page was gone, and elsewhere
    that it arrived. ``mark``: pass, fail, warning, known (by the baseline), open (a MAY: measured only) or
    error.
    """

    mark: str
    tries: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> str:
        """How many of the tries delivered the event, as people read it: ``49/50``."""
        if not self.tries:
            return self.mark
        return f"{self.tries.get('kept', self.tries['arrived'])}/{self.tries['of']}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else was counted, where that differs: ``arrived 50``, ``once 48``."""
        arrived, once = (self.tries.get(name, 0) for name in ("arrived", "once"))
        told = (
            (arrived != self.tries.get("kept", arrived), "arrived", arrived),
            (once != arrived, "once", once),
        )
        return tuple(f"{word} {number}" for differs, word, number in told if differs)


@dataclass(frozen=True, kw_only=True)
class DeliveryMatrix:
    """Way out → a cell for each of ``columns``, which are engines and origins; None: not run."""

    columns: tuple[tuple[str, str], ...]
    rows: Mapping[str, tuple[Cell | None, ...]]

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines, each once."""
        return tuple(dict.fromkeys(engine for engine, _ in self.columns))

    @property
    def marks(self) -> frozenset[str]:
        """The marks that occur."""
        return frozenset(cell.mark for row in self.rows.values() for cell in row if cell)

    @property
    def sums(self) -> Mapping[str, str]:
        """For each engine what was counted where answers were held back, all ways out together."""
        told = {}
        for engine in self.engines:
            tries = [
                cell.tries
                for row in self.rows.values()
                for (name, _), cell in zip(self.columns, row, strict=True)
                if cell and name == engine and "kept" in cell.tries
            ]
            if tries:
                counts = (f"{sum(each[name] for each in tries)} {name}" for name in _COUNTED)
                told[engine] = f"{sum(each['of'] for each in tries)} tries: {', '.join(counts)}"
        return told


# What is counted beside the tries themselves, see ``drivers/delivery_counts.py``.
_COUNTED = ("arrived", "once", "kept", "undelayed")


def matrix(run: Run, verdict: Verdict) -> DeliveryMatrix | None:
    """Lay the delivery cases of a run out as a matrix; None when none has run."""
    cells: dict[str, dict[tuple[str, str], Cell]] = {}
    for result in run.results:
        place = _place(result)
        if place:
            way, origin = place
            cells.setdefault(way, {})[result.browser or "", origin] = _cell(result, verdict)
    if not cells:
        return None
    tried = {engine for row in cells.values() for engine, _ in row}
    engines = [browser["name"] for browser in run.info.browsers if browser["name"] in tried]
    engines += sorted(tried - set(engines))
    columns = tuple((engine, origin) for engine in engines for origin in ORIGINS)
    ways = [way for way in _WORDS.values() if way in cells] + sorted(cells.keys() - set(_WORDS.values()))
    return DeliveryMatrix(
        columns=columns,
        rows={way: tuple(cells[way].get(column) for column in columns) for way in ways},
    )


def _place(result: CaseResult) -> tuple[str, str] | None:
    """The way out and the origin of a delivery case that has run."""
    way, _, origin = result.id.removesuffix("-origin").rpartition("-")
    if not result.id.startswith(_CASES) or origin not in ORIGINS or result.status is Status.NOT_RUN:
        return None
    way = way.removeprefix(_CASES)
    return _WORDS.get(way, way.replace("-", " ")), origin


def _cell(result: CaseResult, verdict: Verdict) -> Cell:
    if not result.tries:
        return Cell(mark=summary.status_word(result.status))
    mark = summary.status_word(result.status, warning=summary.is_warning(result, verdict))
    if result.level is Level.MAY:
        mark = "open"
    elif summary.is_known(result, verdict):
        mark = "known"
    return Cell(mark=mark, tries=result.tries)
