"""The baseline: a file of cases that are known to fail, each with a reason and an issue.

It is strict: an entry is stale, and fails the run, if its case passes or if it has expired.
"""

import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from conformance.protocol.cases import catalogue


@dataclass(frozen=True, kw_only=True)
class KnownFailure:
    """A case that is known to fail; ``expires`` is the last day it applies (ISO 8601), or empty."""

    case: str
    reason: str
    issue: str
    expires: str = ""

    def expired(self, day: str) -> bool:
        """Return True if the entry no longer applies on ``day`` (an ISO 8601 date or date-time)."""
        return bool(self.expires) and day[:10] > self.expires


class BadBaseline(ValueError):
    """An invalid baseline file; the message names the file, the entry and the fault."""


def read(path: Path, *, counterexamples: Collection[str] = ()) -> tuple[KnownFailure, ...]:
    """Read a baseline.

    ``counterexamples`` are the ids of stored counterexamples, which entries may name instead of a case.
    Raises BadBaseline if the file cannot be read, or if an entry is incomplete, duplicated or names an
    unknown case.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadBaseline(f"{path}: {error}") from error
    entries = data.get("known", [])
    if set(data) - {"known"} or not isinstance(entries, list):
        raise BadBaseline(f"{path}: expected a list of [[known]] tables and nothing else")
    known = tuple(
        _entry(path, number, entry, counterexamples) for number, entry in enumerate(entries, start=1)
    )
    ids = [entry.case for entry in known]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise BadBaseline(f"{path}: {id_} has more than one entry")
    return known


def write(path: Path, entries: Iterable[KnownFailure]) -> None:
    """Write a baseline, sorted by case. Raises OSError."""
    tables = []
    for entry in sorted(entries, key=lambda known: known.case):
        members = {"case": entry.case, "reason": entry.reason, "issue": entry.issue, "expires": entry.expires}
        lines = [f"{name} = {_quoted(value)}" for name, value in members.items() if value]
        tables.append("\n".join(["[[known]]", *lines]))
    path.write_text("\n\n".join(tables) + "\n", encoding="utf-8", errors="replace")


def stale(known: Sequence[KnownFailure], *, passed: set[str], day: str) -> tuple[str, ...]:
    """Return one line for each stale entry after a run in which the cases ``passed``."""
    return (
        *(f"{k.case} passes: remove its entry from the baseline" for k in known if k.case in passed),
        *(f"{k.case} has expired ({k.expires}): see {k.issue}" for k in known if k.expired(day)),
    )


def _quoted(text: str) -> str:
    """Return ``text`` as a TOML string.

    A JSON string is one too, except for DEL, which TOML forbids, and lone surrogates, which ``write``
    replaces.
    """
    return json.dumps(text.replace("\x7f", "\ufffd"), ensure_ascii=False)


def _entry(path: Path, number: int, entry: Any, counterexamples: Collection[str]) -> KnownFailure:
    where = f"{path}, entry {number}"
    names = {"case", "reason", "issue", "expires"}
    if not isinstance(entry, dict) or set(entry) - names:
        got = ", ".join(entry) if isinstance(entry, dict) else repr(entry)
        raise BadBaseline(f"{where}: expected a table with {', '.join(sorted(names))}, got {got}")
    for name in ("case", "reason", "issue"):
        if not isinstance(entry.get(name, ""), str):
            raise BadBaseline(f"{where}: {name} must be a text (got {entry[name]!r})")
        if not entry.get(name, "").strip():
            raise BadBaseline(f"{where}: {name} is missing: a known failure needs a reason and an issue")
    ids = [*(case.id for case in catalogue()), *counterexamples]
    if entry["case"] not in ids:
        near = difflib.get_close_matches(entry["case"], ids, n=1)
        hint = f"; {near[0]}?" if near else ""
        if "#" in entry["case"]:
            hint = ": the file of --counterexamples does not have it"
        raise BadBaseline(f"{where}: there is no case {entry['case']!r}{hint}")
    expires = str(entry.get("expires", ""))
    try:
        if expires:
            date.fromisoformat(expires)
    except ValueError as error:
        raise BadBaseline(f"{where}: expires must be a date such as 2027-01-31 (got {expires!r})") from error
    return KnownFailure(case=entry["case"], reason=entry["reason"], issue=entry["issue"], expires=expires)
