"""Badges of implementations: JSON in the form of shields endpoints, and SVG."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from conformance.protocol.requirement_sets import latest
from conformance.protocol.requirements import Lane
from conformance.reports import summary
from conformance.reports.site.records import RunEntry
from conformance.results.verdict import Exit

_COLOURS = {"good": ("brightgreen", "#14703c"), "bad": ("red", "#b3261e"), "open": ("yellow", "#7d5000")}
_LETTER = 6.6  # Mean width of a letter of the font at 11 px.


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A badge; ``tone`` (good, bad, open) decides its colour."""

    label: str
    message: str
    tone: str

    def as_json(self) -> str:
        """Return the badge for shields' endpoint badge."""
        data = {
            "schemaVersion": 1,
            "label": self.label,
            "message": self.message,
            "color": _COLOURS[self.tone][0],
        }
        return json.dumps(data, indent=1) + "\n"

    def as_svg(self) -> str:
        """Return the badge as an SVG that loads nothing."""
        left, right = (round(len(text) * _LETTER) + 14 for text in (self.label, self.message))
        label, message = escape(self.label), escape(self.message)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" '
            f'viewBox="0 0 {left + right} 20" role="img" '
            f'aria-label="{label}: {message}"><title>{label}: {message}</title>'
            f'<rect rx="4" width="{left + right}" height="20" fill="#4a5468"/>'
            f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{right - 4}z" '
            f'fill="{_COLOURS[self.tone][1]}"/>'
            '<g fill="#fff" text-anchor="middle" font-family="Inter,Verdana,sans-serif" font-size="11">'
            f'<text x="{left / 2}" y="14">{label}</text>'
            f'<text x="{left + right / 2}" y="14">{message}</text></g></svg>\n'
        )


def badge(runs: Mapping[Lane, RunEntry]) -> Badge:
    """Return the badge of an implementation from the runs that speak for its lanes.

    Green: each of them is conformant and whole. Red: one is not conformant, or failed otherwise.
    """
    entries = list({entry.id: entry for entry in runs.values()}.values())
    label = f"clickport {latest(*(entry.run.info.requirement_set for entry in entries))}"
    codes = [entry.verdict.exit_code for entry in entries]
    if any(entry.verdict.conformant is False for entry in entries):
        failed = dict.fromkeys(
            r.requirement for e in entries for r in (*e.verdict.violations, *e.verdict.known)
        )
        named = ", ".join(failed) if len(failed) <= 2 else f"{len(failed)} requirements"
        return Badge(label=label, message=f"not conformant: {named}", tone="bad")
    if any(entry.run.objective_missed for entry in entries):
        return Badge(label=label, message="load objective missed", tone="bad")
    if Exit.VIOLATION in codes:
        return Badge(label=label, message="failed", tone="bad")
    lanes = ", ".join(runs)
    if any(code is not Exit.CONFORMANT for code in codes):
        return Badge(label=label, message=f"not verified in full: {lanes}", tone="open")
    if any(entry.verdict.partial for entry in entries):
        return Badge(label=label, message=f"conformant in part: {lanes}", tone="open")
    if any(summary.headline(entry.run, entry.verdict).tone != "good" for entry in entries):
        return Badge(label=label, message=f"conformant, objective missed: {lanes}", tone="open")
    return Badge(label=label, message=f"conformant: {lanes}", tone="good")
