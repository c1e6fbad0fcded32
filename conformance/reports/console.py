"""The console report: failures, the ledger, unverified requirements and the verdict.

Lines are wrapped here and printed as plain text: evidence is never interpreted as markup, and a log without
colour or with 80 columns loses nothing.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from conformance.protocol.requirements import Level, Requirement
from conformance.reports import delivery, load, summary
from conformance.reports.progress import RunProgress
from conformance.reports.text import cut, harmless, one_line, show, visible
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Verdict

__all__ = ["RunProgress", "print_run"]

# A target that does nothing fails every case: only the first failures are printed with their evidence.
_WHOLE = 12
_PER_REQUIREMENT = 3
_NAMES = 6
_VALUE_LIMIT = 1_000
_DETAIL_LIMIT = 500
_REPRO_LIMIT = 2_000
_INDENT = 9
_NARROWEST = 20
_CELL = 9
_SIGNS = {"fail": "✕", "error": "⚠", "warning": "!", "known": "k", "open": "~", "not testable": "–"}
_LEGEND = {
    "fail": "fails",
    "error": "error",
    "warning": "warning",
    "known": "known to fail",
    "open": "open: measured only",
    "not testable": "not testable here",
}
_STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "broken": "bold magenta"}


def print_run(console: Console, run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> None:
    """Print the report of a finished or interrupted run."""
    page = _Page(console)
    shortened = (
        _findings(page, "FAIL", "red", verdict.violations, requirements, whole=_WHOLE),
        _findings(page, "ERROR", "magenta", verdict.errors, requirements, whole=_WHOLE),
        _findings(page, "WARN", "yellow", verdict.warnings, requirements),
        _findings(page, "UPCOMING", "cyan", summary.upcoming_failures(verdict), requirements),
    )
    if any(shortened):
        page.line("The run record has the evidence of every case; --report html=PATH lays it out.")
        page.line()
    _ledger(page, run, verdict, requirements)
    _delivery(page, run, verdict)
    _load(page, run)
    _drawn(page, run)
    _notes(page, run)
    _unverified(page, run, verdict)
    _verdict(page, run, verdict)


class _Page:
    """A console that prints text with a hanging indent, with escapes for what its encoding lacks."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def width(self) -> int:
        """Return the width of the console in columns."""
        return self._console.width

    def line(
        self, text: str = "", *, label: str = "", style: str = "", indent: int = 0, wrap: bool = True
    ) -> None:
        """Print ``text`` after ``label`` with a hanging indent; ``style`` applies to the label, if given."""
        body = Text(self._encodable(text), style="" if label or indent else style)
        label = label.ljust(indent)
        room = max(self._console.width - len(label), _NARROWEST)
        lines = body.wrap(self._console, room, overflow="fold") if wrap and text else [body]
        for number, part in enumerate(lines):
            part.rstrip()
            lead = Text(self._encodable(label) if number == 0 else " " * len(label), style=style)
            whole = Text.assemble(lead, part)
            whole.rstrip()
            # Wrapping may have moved a CI command to the beginning of a line.
            safe = harmless(whole.plain)
            self._console.print(whole if safe == whole.plain else Text(safe), soft_wrap=True)

    def _encodable(self, text: str) -> str:
        encoding = self._console.encoding
        return harmless(text).encode(encoding, "backslashreplace").decode(encoding)


def _findings(
    page: _Page,
    word: str,
    style: str,
    results: tuple[CaseResult, ...],
    requirements: Mapping[str, Requirement],
    *,
    whole: int = 0,
) -> bool:
    """Print ``results`` by requirement: the first ``whole`` findings with evidence, the others without.

    Return True if evidence or cases were left out.
    """
    more = False
    for requirement, findings in summary.findings(results).items():
        for number, cases in enumerate(findings[:_PER_REQUIREMENT]):
            _head(page, word, style, cases[0])
            if whole > 0:
                _evidence(page, cases[0])
            else:
                page.line(one_line(cut(cases[0].detail, _DETAIL_LIMIT)), indent=_INDENT)
            if number == 0 and requirement in requirements:
                page.line(requirements[requirement].what, label="rule", indent=_INDENT, style="dim")
            _repeat(page, cases[0])
            _likewise(page, cases)
            page.line()
            whole -= 1
        more = more or sum(map(len, findings)) > len(findings[:_PER_REQUIREMENT])
        rest = findings[_PER_REQUIREMENT:]
        if rest:
            number = sum(map(len, rest))
            of = f" of {one_line(requirement)}" if requirement else ""
            page.line(f"and {number} more {summary.plural('case', number)}{of}", indent=_INDENT)
            page.line()
    return more or whole < 0


def _evidence(page: _Page, result: CaseResult) -> None:
    if result.detail:
        page.line(visible(cut(result.detail, _DETAIL_LIMIT).rstrip()), indent=_INDENT)
    for step, value in summary.steps(result):
        shown = show(value, width=80 - _INDENT, limit=_VALUE_LIMIT)
        page.line(shown, label=step, indent=_INDENT, style="dim")


def _head(page: _Page, word: str, style: str, result: CaseResult) -> None:
    fault = f"  fault of the {result.fault}" if result.fault else ""
    browser = f"  {result.browser}" if result.browser else ""
    title = f"{result.id}  {result.counterexample or result.requirement} {result.level}{browser}{fault}"
    page.line(visible(title, keep=""), label=word, indent=_INDENT, style=f"bold {style}")


def _repeat(page: _Page, result: CaseResult) -> None:
    if result.repro:  # Not wrapped, so that it can be copied.
        repro = visible(cut(result.repro, _REPRO_LIMIT), keep="")
        page.line(repro, label="repeat:", indent=_INDENT, style="dim", wrap=False)


def _likewise(page: _Page, cases: Sequence[CaseResult]) -> None:
    first, *others = cases
    if others:
        names = [c.id if c.browser == first.browser else f"{c.id} in {c.browser}" for c in others]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        page.line(one_line(", ".join(names[:_NAMES]) + more), label="likewise", indent=_INDENT, style="dim")


def _ledger(page: _Page, run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> None:
    rows = summary.ledger(verdict, requirements)
    table = [(row.family, str(row.lane), *_shares(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    page.line(f"Requirements {run.info.requirement_set} verified (MAY: observed)", style="bold")
    for row, cells in zip(rows, table, strict=True):
        label = "".join(f"  {cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        remarks = "; ".join(row.remarks)
        if len(label) + 2 + len(remarks) > page.width:
            remarks = ";\n".join(row.remarks)
        page.line(remarks, label=f"{label}  ", style="red" if "failed" in remarks else "")
    page.line()


def _shares(row: summary.LedgerRow) -> Iterator[str]:
    for level, count in row.counts.items():
        green = count.observed if level is Level.MAY else count.passed
        yield f"{level} {green}/{count.total}" if count.total else ""


def _delivery(page: _Page, run: Run, verdict: Verdict) -> None:
    matrix = delivery.matrix(run, verdict)
    if matrix is None:
        return
    page.line("Delivery: tries in which the event was kept when its page was left", style="bold")
    first = max(map(len, matrix.rows))
    width = 2 * _CELL
    engines = "".join(f"{one_line(group.engine)[: width - 2]:<{width}}" for group in matrix.groups)
    page.line(f"  {'':<{first}}  {engines}", style="dim", wrap=False)
    if matrix.protocols:
        protocols = "".join(f"{one_line(group.protocol)[: width - 2]:<{width}}" for group in matrix.groups)
        page.line(f"  {'':<{first}}  {protocols}", style="dim", wrap=False)
    origins = "".join(f"{column.origin:<{_CELL}}" for column in matrix.columns)
    page.line(f"  {'':<{first}}  {origins}", style="dim", wrap=False)
    for way, row in matrix.rows.items():
        cells = "".join(f"{_sign(cell):<{_CELL}}" for cell in row)
        failed = any(cell and cell.mark in ("fail", "error") for cell in row)
        page.line(f"  {way:<{first}}  {cells}".rstrip(), style="red" if failed else "", wrap=False)
    legend = [f"{_SIGNS[mark]} {words}" for mark, words in _LEGEND.items() if mark in matrix.marks]
    if legend:
        page.line(", ".join(legend), label="  ", style="dim")
    for engine, counts in matrix.sums.items():
        page.line(one_line(f"{engine}, {counts}"), label="  ")
    page.line()


def _sign(cell: delivery.Cell | None) -> str:
    if cell is None:
        return ""
    sign = _SIGNS.get(cell.mark, "")
    return sign if cell.mark == "not testable" else sign + cell.share


def _load(page: _Page, run: Run) -> None:
    if run.load is None:
        return
    page.line("Load", style="bold")
    for name, text in load.figures(run.load).items():
        page.line(text, label=f"  {name:<10}  ")
    page.line()
    rows, remarks = load.yardsticks(run.load)
    if not rows:
        return
    page.line(
        "Yardsticks: answers a second, and the target as a multiple, by a fast probe and by Locust",
        style="bold",
    )
    width = max(len(row.name) for row in rows)
    for row in rows:
        cells = f"{row.probe:>9}{row.ratio:>10}{row.locust:>10}{row.locust_ratio:>10}"
        page.line(f"  {row.name:<{width}}{cells}".rstrip(), wrap=False)
    for remark in remarks:
        page.line(remark, label="  ", style="dim")
    page.line()


def _drawn(page: _Page, run: Run) -> None:
    lines = summary.drawn(run)
    if lines:
        page.line("Drawn beside the cases that are written down", style="bold")
    for line in lines:
        page.line(line, label="  ")
    if lines:
        page.line()


def _notes(page: _Page, run: Run) -> None:
    notes = summary.notes(run)
    if notes:
        page.line("Notes on what passed", style="bold")
    for note, about in notes.items():
        page.line(one_line(f"{about}: {note}"), label="  ")
    if notes:
        page.line()


def _unverified(page: _Page, run: Run, verdict: Verdict) -> None:
    open_ = summary.unverified(run, verdict)
    if not open_:
        return
    levels = " and ".join(summary.plural(level, len(open_)) for level in summary.binding(run))
    page.line(f"Not verified: {len(open_)} {levels}", style="bold")
    for why, names in summary.by_reason(open_).items():
        page.line(visible(names), label="  ")
        page.line(one_line(cut(why, 300)), label="    ", style="dim")
    page.line()


def _verdict(page: _Page, run: Run, verdict: Verdict) -> None:
    headline = summary.headline(run, verdict)
    page.line(one_line(headline.sentence), style=_STYLES[headline.tone])
    for aside in headline.asides:
        page.line(one_line(aside))
    page.line(f"exit code {summary.exit_code(run, verdict)}")
