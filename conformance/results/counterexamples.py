"""Counterexamples found by a search, stored as JSON lines; the next search tries them first."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.protocol.requirements import Lane
from conformance.results.verdict import CaseResult


class BadStore(ValueError):
    """An invalid file of counterexamples; the message names the file, the line and the fault."""


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A call or request that violates a property; ``id`` is of the form PROP-3#c3f1."""

    id: str
    case: str
    example: Mapping[str, Any]

    @property
    def lane(self) -> Lane:
        """The lane in which it was found."""
        return Lane(self.case.partition("/")[0])


def read(path: Path) -> tuple[Counterexample, ...]:
    """Return the counterexamples in a file, or () if it does not exist. Raises BadStore."""
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
            raise BadStore(f"{path}, line {number}: not a counterexample: {error}") from error
    return tuple(kept)


def counterexample_of(result: CaseResult) -> list[Counterexample]:
    """Return the counterexample of a result as a list of one, or an empty list."""
    if not result.counterexample:
        return []
    return [Counterexample(id=result.counterexample, case=result.id, example=result.example)]


def add(path: Path, found: Iterable[Counterexample]) -> int:
    """Append the counterexamples that are not in the file yet; return their number.

    Raises BadStore or OSError.
    """
    known = {(kept.id, kept.case) for kept in read(path)}
    new = [kept for kept in found if (kept.id, kept.case) not in known]
    if new:
        with path.open("a", encoding="utf-8") as file:
            for kept in new:
                line = {"id": kept.id, "case": kept.case, "example": kept.example}
                file.write(json.dumps(line) + "\n")
    return len(new)
