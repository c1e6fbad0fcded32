"""Counterexamples that were found, kept as JSON lines: each is tried first the next time."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.protocol.requirements import Lane
from conformance.results.verdict import CaseResult


class BadStore(ValueError):
    """A file of counterexamples that cannot be read; the text names file, line and fault."""


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A counterexample: its id (PROP-3#c3f1), the case that it broke, and the call or request."""

    id: str
    case: str
    example: Mapping[str, Any]

    @property
    def lane(self) -> Lane:
        """The lane in which it was found."""
        return Lane(self.case.partition("/")[0])


def read(path: Path) -> tuple[Counterexample, ...]:
    """The counterexamples of a file, none if there is no file. Raises BadStore."""
    if not path.exists():
        return ()
    kept = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            data = json.loads(line)
            kept.append(
                Counterexample(id=str(data["id"]), case=str(data["case"]), example=dict(data["example"]))
            )
            _ = kept[-1].lane
        except (ValueError, KeyError, TypeError) as error:
            raise BadStore(f"{path}, line {number}, is no counterexample: {error}") from error
    return tuple(kept)


def counterexample_of(result: CaseResult) -> list[Counterexample]:
    """The counterexample that a result holds, if it does."""
    if not result.counterexample:
        return []
    return [Counterexample(id=result.counterexample, case=result.id, example=result.example)]


def add(path: Path, found: Iterable[Counterexample]) -> int:
    """Add what the file does not have yet, and return how many that were. Raises BadStore or OSError."""
    known = {(kept.id, kept.case) for kept in read(path)}
    new = [kept for kept in found if (kept.id, kept.case) not in known]
    if new:
        with path.open("a", encoding="utf-8") as file:
            for kept in new:
                line = {"id": kept.id, "case": kept.case, "example": kept.example}
                file.write(json.dumps(line) + "\n")
    return len(new)
