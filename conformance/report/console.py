"""What ``clickport check`` prints at its end: failures, the ledger, what was not verified, the verdict.

Every line is wrapped here and printed as plain text, so that evidence is never taken for markup and a log without
colour or with 80 columns loses nothing.
"""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text

from conformance.record import Run
from conformance.registry import Level, Requirement
from conformance.report import facts
from conformance.report.progress import Progress
from conformance.report.text import cut, one_line, show, visible
from conformance.verdict import CaseResult, Verdict

__all__ = ["Progress", "print_run"]

# A target that does nothing fails every case: the first ones show all there is to learn from it.
_SHOWN = 20
_VALUE_LIMIT = 1_000
_DETAIL_LIMIT = 500
_REPRO_LIMIT = 2_000
_INDENT = 9
_NARROWEST = 20
_STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "broken": "bold magenta"}


def print_run(console: Console, run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> None:
    """Print the end of a run."""
    page = _Page(console)
    _failures(page, "FAIL", "red", verdict.violations)
    _failures(page, "ERROR", "magenta", verdict.errors)
    _warnings(page, verdict.warnings)
    _ledger(page, verdict, requirements)
    _unverified(page, run, verdict)
    _verdict(page, run, verdict)


class _Page:
    """Prints text with a hanging indent, in what the console's encoding can say."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(
        self, text: str = "", *, label: str = "", style: str = "", indent: int = 0, wrap: bool = True
    ) -> None:
        """Print ``text`` after ``label``, which takes the style if there is one; further lines begin below the text."""
        body = Text(self._sayable(text), style="" if label or indent else style)
        label = label.ljust(indent)
        room = max(self._console.width - len(label), _NARROWEST)
        lines = body.wrap(self._console, room, overflow="fold") if wrap and text else [body]
        for number, part in enumerate(lines):
            part.rstrip()
            lead = Text(self._sayable(label) if number == 0 else " " * len(label), style=style)
            whole = Text.assemble(lead, part)
            whole.rstrip()
            self._console.print(whole, soft_wrap=True)

    def _sayable(self, text: str) -> str:
        encoding = self._console.encoding
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _failures(page: _Page, word: str, style: str, results: tuple[CaseResult, ...]) -> None:
    for result in results[:_SHOWN]:
        _head(page, word, style, result)
        if result.detail:
            page.line(visible(cut(result.detail, _DETAIL_LIMIT).rstrip()), indent=_INDENT, label="")
        for step, value in facts.steps(result):
            shown = show(value, width=80 - _INDENT, limit=_VALUE_LIMIT, headers=False)
            page.line(shown, label=step, indent=_INDENT, style="dim")
        _repeat(page, result)
        page.line()
    rest = results[_SHOWN:]
    if rest:
        page.line(f"and {len(rest)} more, in short (their evidence is in the run record and the reports):")
        for result in rest:
            _head(page, word, style, result)
            page.line(one_line(cut(result.detail, 200)), indent=_INDENT, label="")
        page.line()


def _warnings(page: _Page, results: tuple[CaseResult, ...]) -> None:
    for result in results:
        _head(page, "WARN", "yellow", result)
        page.line(one_line(cut(result.detail, 300)), indent=_INDENT, label="")
        _repeat(page, result)
    if results:
        page.line()


def _head(page: _Page, word: str, style: str, result: CaseResult) -> None:
    fault = f"  fault of the {result.fault}" if result.fault else ""
    browser = f"  {result.browser}" if result.browser else ""
    title = f"{result.id}  {result.requirement} {result.level}{browser}{fault}"
    page.line(visible(title, keep=""), label=word, indent=_INDENT, style=f"bold {style}")


def _repeat(page: _Page, result: CaseResult) -> None:
    if result.repro:  # not wrapped: it is there to be copied
        repro = visible(cut(result.repro, _REPRO_LIMIT), keep="")
        page.line(repro, label="repeat:", indent=_INDENT, style="dim", wrap=False)


def _ledger(page: _Page, verdict: Verdict, requirements: Mapping[str, Requirement]) -> None:
    rows = facts.ledger(verdict, requirements)
    table = [(row.family, str(row.lane), *_shares(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    page.line("Requirements verified", style="bold")
    for row, cells in zip(rows, table, strict=True):
        label = "".join(f"  {cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        remarks = "; ".join(row.remarks)
        page.line(remarks, label=f"{label}  ", style="red" if "failed" in remarks else "")
    page.line()


def _shares(row: facts.LedgerRow) -> tuple[str, str]:
    must, should = (row.counts[level] for level in (Level.MUST, Level.SHOULD))
    return (
        f"MUST {must.passed}/{must.total}" if must.total else "",
        f"SHOULD {should.passed}/{should.total}" if should.total else "",
    )


def _unverified(page: _Page, run: Run, verdict: Verdict) -> None:
    open_ = facts.unverified(run, verdict)
    if not open_:
        return
    page.line(f"Not verified: {len(open_)} {_levels(run, len(open_))}", style="bold")
    for why, names in facts.by_reason(open_).items():
        page.line(visible(names), label="  ")
        page.line(one_line(cut(why, 300)), label="    ", style="dim")
    page.line()


def _levels(run: Run, number: int) -> str:
    return " and ".join(facts.plural(level, number) for level in facts.binding(run))


def _verdict(page: _Page, run: Run, verdict: Verdict) -> None:
    headline = facts.headline(run, verdict)
    style = _STYLES[headline.tone]
    page.line(one_line(headline.sentence), style=style)
    for aside in _asides(run, verdict, headline):
        page.line(one_line(aside))
    page.line(f"exit code {int(verdict.exit_code)} ({facts.EXIT_WORDS[verdict.exit_code]})")


def _asides(run: Run, verdict: Verdict, headline: facts.Headline) -> Iterable[str]:
    yield from headline.asides
    open_ = facts.unverified(run, verdict)
    if open_:
        yield f"not verified: {facts.names(open_)}"
