"""Markdown, for the summary page of a CI job: verdict, ledger, failures and unverified requirements.

Text from a target is written in fences that it cannot close, or with its punctuation escaped.
"""

import html
import re
from collections.abc import Iterable, Mapping

from conformance.protocol.requirements import Level, Requirement
from conformance.reports import delivery, load, summary
from conformance.reports.text import cut, one_line, show, visible
from conformance.results.record import Run
from conformance.results.redaction import masked
from conformance.results.verdict import CaseResult, Verdict

# GitHub limits a step summary to 1 MiB: only the first 30 failures are written with their evidence.
_SHOWN = 30
_VALUE_LIMIT = 1_000
_SYMBOLS = {"good": "✅", "bad": "❌", "open": "🟡", "broken": "⚠️"}
_MARKS = {"fail": "❌", "warning": "⚠️", "known": "known", "error": "⚠️", "open": "open"}
_REPRO_LIMIT = 4_000
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#!|~&@$])")


def render(run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> str:
    """Return the Markdown document."""
    sections = [
        *_top(run, verdict),
        *_ledger(verdict, requirements),
        *_delivery(run, verdict),
        *_load(run),
        *_cases("Failures", verdict.violations, requirements),
        *_cases("Errors", verdict.errors, requirements),
        *_cases("Warnings", verdict.warnings, requirements),
        *_cases("Upcoming", summary.upcoming_failures(verdict), requirements),
        *_notes(run),
        *_unverified(run, verdict),
    ]
    return "\n\n".join(sections) + "\n"


def _top(run: Run, verdict: Verdict) -> Iterable[str]:
    headline = summary.headline(run, verdict)
    sentence = headline.sentence[0].upper() + headline.sentence[1:]
    yield f"## {_SYMBOLS[headline.tone]} Clickport: {sentence}"
    yield from map(_escape, headline.asides)
    targets = [f"- **{kind}**: {_escape(masked(name))}" for kind, name in summary.targets(run).items()]
    browsers = _escape(summary.browsers(run))
    suite = f"- **suite**: {_escape(summary.suite(run))}"
    yield "\n".join([*targets, *([f"- **browsers**: {browsers}"] if browsers else []), suite])


def _ledger(verdict: Verdict, requirements: Mapping[str, Requirement]) -> Iterable[str]:
    lines = ["| Family | Lane | MUST | SHOULD | MAY | |", "|:--|:--|--:|--:|--:|:--|"]
    for row in summary.ledger(verdict, requirements):
        shares = (_share(level, count) for level, count in row.counts.items())
        cells = (_escape(row.family), row.lane, *shares, "; ".join(row.remarks))
        lines.append(f"| {' | '.join(cells)} |")
    yield "### Verified (MAY: observed), by requirement family and lane"
    yield "\n".join(lines)


def _delivery(run: Run, verdict: Verdict) -> Iterable[str]:
    matrix = delivery.matrix(run, verdict)
    if matrix is None:
        return
    titles = (f"{_escape(column.title)}, {column.origin}" for column in matrix.columns)
    lines = [f"| Way out | {' | '.join(titles)} |", f"|:--|{'--:|' * len(matrix.columns)}"]
    for way, row in matrix.rows.items():
        cells = (_cell(cell) if cell else "" for cell in row)
        lines.append(f"| {_escape(way)} | {' | '.join(cells)} |")
    yield "### Delivery: tries in which the event was kept when its page was left"
    yield "\n".join(lines)
    yield "\n".join(f"- {_escape(engine)}, {counts}" for engine, counts in matrix.sums.items())


def _load(run: Run) -> Iterable[str]:
    if run.load is None:
        return
    yield "### Load"
    yield "\n".join(f"- **{name}**: {_escape(text)}" for name, text in load.figures(run.load).items())
    rows, remarks = load.yardsticks(run.load)
    if rows:
        lines = ["| a second | probe | target / this | Locust | target / this |", "|:--|--:|--:|--:|--:|"]
        for row in rows:
            cells = (row.probe, row.ratio, row.locust, row.locust_ratio)
            lines.append(f"| {_escape(row.name)} | {' | '.join(cells)} |")
        yield "\n".join(lines)
        yield "\n\n".join(map(_escape, remarks))


def _cell(cell: delivery.Cell) -> str:
    symbol = _MARKS.get(cell.mark, "")
    remarks = "".join(f", {remark}" for remark in cell.remarks)
    return (
        f"**{symbol} {cell.share}**{remarks}"
        if cell.mark in ("fail", "error")
        else f"{symbol} {cell.share}{remarks}".strip()
    )


def _notes(run: Run) -> Iterable[str]:
    notes = summary.notes(run)
    if notes:
        yield "### Notes on what passed"
        yield "\n".join(f"- {_escape(about)}: {_escape(note)}" for note, about in notes.items())


def _share(level: Level, count: summary.Count) -> str:
    green = count.observed if level is Level.MAY else count.passed
    return f"{green}/{count.total}" if count.total else ""


def _cases(
    title: str, results: tuple[CaseResult, ...], requirements: Mapping[str, Requirement]
) -> Iterable[str]:
    if not results:
        return
    yield f"### {title} ({len(results)})"
    yield from (_case(result, requirements) for result in results[:_SHOWN])
    rest = results[_SHOWN:]
    if rest:
        yield f"And {len(rest)} more:"
        yield "\n".join(f"- {_escape(_title(result))}: {_escape(cut(result.detail, 200))}" for result in rest)


def _title(result: CaseResult) -> str:
    browser = f", {result.browser}" if result.browser else ""
    return one_line(f"{result.id} ({result.requirement} {result.level}{browser})")


def _case(result: CaseResult, requirements: Mapping[str, Requirement]) -> str:
    known = requirements.get(result.requirement)
    parts = [f"<details><summary>{html.escape(_title(result))}</summary>"]
    parts += [f"> {_escape(known.what)}"] if known else []
    parts += [_fence(visible(cut(result.detail, _VALUE_LIMIT)))] if result.detail else []
    for word, value in summary.steps(result):
        parts.append(f"**{word}**\n\n{_fence(show(value, limit=_VALUE_LIMIT))}")
    parts += (
        [f"**repeat**\n\n{_fence(visible(cut(result.repro, _REPRO_LIMIT)), 'sh')}"] if result.repro else []
    )
    return "\n\n".join([*parts, "</details>"])


def _unverified(run: Run, verdict: Verdict) -> Iterable[str]:
    groups = summary.by_reason(summary.unverified(run, verdict))
    if groups:
        yield f"### Not verified ({len(summary.unverified(run, verdict))})"
        yield "\n".join(f"- {_escape(names)}: {_escape(cut(why, 300))}" for why, names in groups.items())


def _fence(text: str, language: str = "text") -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _escape(text: str) -> str:
    """Return text on one line, with everything escaped that Markdown or GitHub would interpret."""
    return _PUNCTUATION.sub(r"\\\1", one_line(text))
