"""Results of earlier self-tests, kept in a file by a digest of everything that a result depends on."""

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from conformance.browsers import installed
from conformance.mutants.implementations import Implementation, reference_server
from conformance.mutants.matrix import MutantResult
from conformance.paths import bundled
from conformance.protocol.requirements import Lane

_HARNESS = Path(__file__).parents[1]
# These files list the implementations, each of which is part of its own digest.
_LISTS = {"mutants.toml", "implementations.toml"}
_MEMBERS = {"digest", "seconds", "others"}
_WITH_TRACKER = {Lane.TRACKER, Lane.PAIR}


class KeptResults:
    """Results without problems, by name; ``conditions`` are the options that all of them were run with.

    A result is returned for as long as the harness, its data, the parts of the reference that its lanes use,
    the browsers and the installed packages are the same.
    """

    def __init__(self, place: Path, conditions: Sequence[object]) -> None:
        self._place = place
        self._conditions = [str(condition) for condition in conditions]
        self._known: dict[str, dict[str, Any]] = {}
        try:
            rows = json.loads(place.read_text(encoding="utf-8")).items()
            self._known = {name: dict(row) for name, row in rows if set(row) >= _MEMBERS}
        except (OSError, ValueError, AttributeError, TypeError):
            pass  # There is no file yet, or it is not one of results: everything is run.

    def of(self, subject: Implementation) -> MutantResult | None:
        """Return the kept result of an implementation, or None if it must be run."""
        row = self._known.get(subject.name)
        if row is None or row["digest"] != self._digest(subject):
            return None
        killed = subject.lanes if subject.fails else ()
        return MutantResult(
            subject=subject, seconds=row["seconds"], killed=killed, others=tuple(row["others"]), kept=True
        )

    def keep(self, result: MutantResult) -> None:
        """Write a result to the file, unless it shows a problem."""
        self._known.pop(result.subject.name, None)
        if not result.problems:
            self._known[result.subject.name] = {
                "digest": self._digest(result.subject),
                "seconds": result.seconds,
                "others": result.others,
            }
        self._place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._place.with_suffix(".part")
        unfinished.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
        unfinished.replace(self._place)

    def _digest(self, subject: Implementation) -> str:
        parts = [repr(subject), *self._conditions, _harness(), _packages()]
        if _WITH_TRACKER & set(subject.lanes):
            parts.append(_of_files(bundled("tracker")))
        if set(subject.lanes) - {Lane.TRACKER}:
            parts.append(_of_files(reference_server()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _harness() -> str:
    return _of_files(_HARNESS, bundled("e2e"), bundled("fixtures"), bundled("load"))


@cache
def _packages() -> str:
    names = sorted(f"{each.name}=={each.version}" for each in distributions())
    browsers = [f"{browser.name} {browser.version}" for browser in installed()]
    return "\n".join([sys.version, *browsers, *names])


@cache
def _of_files(*folders: Path) -> str:
    """Return a digest of the files in folders, apart from generated ones and lists of implementations."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            generated = {"__pycache__", "node_modules"} & set(path.parts)
            if path.is_file() and not generated and path.name not in _LISTS:
                digest.update(f"{path.relative_to(folder)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
