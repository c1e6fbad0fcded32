"""Tries mutants of the reference tracker, as ``mutants_of.mjs`` lists them, on the checks of its lane.

Each is tried by itself, until a case fails; ``docs/mutation-testing.md`` says what came of it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.paths import bundled
from conformance.verdict import Status

_LOOK_SECONDS, _TIDY_SECONDS = 0.2, 60.0


def mutated(source: str, mutant: Mapping[str, Any]) -> str:
    """The source with the one change of a mutant; an expression stays one, whatever is around it."""
    start, end = (_offset(source, mutant["location"][edge]) for edge in ("start", "end"))
    new = str(mutant["replacement"])
    return source[:start] + (new if mutant["mutatorName"] == "BlockStatement" else f"({new})") + source[end:]


def _offset(source: str, place: Mapping[str, int]) -> int:
    return sum(len(line) for line in source.splitlines(keepends=True)[: place["line"]]) + place["column"]


def first_failure(tracker: Path, record: Path, options: Sequence[str]) -> str:
    """Hold a script to the checks until a case fails, and return that one's id. Empty: it has survived."""
    command = [sys.executable, "-m", "conformance", "check", "--lane", "tracker", "--skip", "*-fuzz*"]
    command += [*options, "--jobs", "1", "--tracker", str(tracker), "--run-record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not _failed(record):
            time.sleep(_LOOK_SECONDS)
        process.send_signal(signal.SIGINT)
        process.wait(_TIDY_SECONDS)
    return _failed(record)


def _failed(record: Path) -> str:
    if not record.exists():
        return ""
    # The last line may not be there as a whole yet.
    results = (json.loads(line) for line in record.read_text(encoding="utf-8").split("\n")[:-1])
    return next((r["id"] for r in results if r.get("status") in (Status.FAIL, Status.ERROR)), "")


def main() -> None:
    """Try the mutants and tell of each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mutants", type=Path, help="what mutants_of.mjs has printed")
    parser.add_argument("--id", action="append", help="this mutant only (repeatable)")
    parser.add_argument("--browser", default="chromium")
    chosen = parser.parse_args()
    source = bundled("tracker/tracker.js").read_text(encoding="utf-8")
    # What a shell puts into the background ignores Ctrl-C, and so would the checks, which are ended by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.nice(10)
    for mutant in json.loads(chosen.mutants.read_text(encoding="utf-8")):
        if chosen.id and mutant["id"] not in chosen.id:
            continue
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "tracker.js"
            script.write_text(mutated(source, mutant), encoding="utf-8")
            killer = first_failure(script, Path(folder) / "run.jsonl", ["--browser", chosen.browser])
        line = mutant["location"]["start"]["line"] + 1
        told = f"{mutant['id']}, line {line}: {killer or 'SURVIVED'}: {mutant['replacement'][:60]!r}"
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
