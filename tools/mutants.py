"""Run the checks on mutants made by a mutation-testing tool, each until a case fails.

``tracker FILE`` runs them on the mutants that ``mutants_of.mjs`` lists in FILE. ``check OPTION ...`` runs
``clickport check`` with these options until a case fails, for tools that apply the mutants themselves; it
exits with 0 if no case failed, else with 1. The results are in ``docs/mutation-testing.md``.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from conformance.paths import bundled
from conformance.protocol.requirements import Lane
from conformance.results.verdict import Exit, Status
from conformance.targets.server import reference_clickhouse

_LOOK_SECONDS, _TIDY_SECONDS = 0.1, 60.0
# The exit codes of a run in which no case failed; it may have been a selection of cases.
_FINE = (Exit.CONFORMANT, Exit.INCONCLUSIVE)
_TRACKER = ("--skip", "*-fuzz*", "--jobs", "1")


def mutated(source: str, mutant: Mapping[str, Any]) -> str:
    """Return the source with the change of a mutant; an expression is put into parentheses."""
    start, end = (_offset(source, mutant["location"][edge]) for edge in ("start", "end"))
    new = str(mutant["replacement"])
    return source[:start] + (new if mutant["mutatorName"] == "BlockStatement" else f"({new})") + source[end:]


def _offset(source: str, place: Mapping[str, int]) -> int:
    return sum(len(line) for line in source.splitlines(keepends=True)[: place["line"]]) + place["column"]


def first_failure(options: Sequence[str]) -> str:
    """Return the id of the first failing case, SHOULDs included, or an error; empty if no case fails."""
    with tempfile.TemporaryDirectory(prefix="clickport-mutant-") as folder:
        record = Path(folder) / "run.jsonl"
        command = [sys.executable, "-m", "conformance", "check", *options, "--run-record", str(record)]
        with (
            Path(folder, "stderr").open("w+", encoding="utf-8") as errors,
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
        ):
            while process.poll() is None and not _failed(record):
                time.sleep(_LOOK_SECONDS)
            process.send_signal(signal.SIGINT)
            code = process.wait(_TIDY_SECONDS)
            errors.seek(0)
            message = errors.read().strip()[-200:]
        return _failed(record) or ("" if code in _FINE else f"exit code {code}: {message}")


def _failed(record: Path) -> str:
    if not record.exists():
        return ""
    # The last line may be incomplete.
    results = (json.loads(line) for line in record.read_text(encoding="utf-8").split("\n")[:-1])
    return next((r["id"] for r in results if r.get("status") in (Status.FAIL, Status.ERROR)), "")


def tracker(mutants: Path, options: Sequence[str], *, only: Sequence[str] | None, lane: Lane) -> None:
    """Run the checks on mutants of the reference tracker and print the result of each."""
    source = bundled("tracker/tracker.js").read_text(encoding="utf-8")
    with ExitStack() as stack:
        options = [*_TRACKER, "--lane", lane, *options]
        if lane == Lane.PAIR:
            options += _server(stack.enter_context(reference_clickhouse()))
        for mutant in json.loads(mutants.read_text(encoding="utf-8")):
            if only and mutant["id"] not in only:
                continue
            with tempfile.TemporaryDirectory() as folder:
                script = Path(folder) / "tracker.js"
                script.write_text(mutated(source, mutant), encoding="utf-8")
                killer = first_failure([*options, "--tracker", str(script)])
            line = mutant["location"]["start"]["line"] + 1
            result = f"{mutant['id']}, line {line}: {killer or 'SURVIVED'}: {mutant['replacement'][:60]!r}"
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()


def _server(clickhouse: str) -> list[str]:
    """Return the options of ``check`` for the reference server on this ClickHouse."""
    os.environ["CLICKHOUSE_URL"] = clickhouse
    command = f"{shlex.quote(sys.executable)} -m reference_server serve --port {{port}}"
    return ["--server-cmd", command, "--clickhouse", clickhouse, "--envelope", '{"d": "example.com"}']


def main() -> None:
    """Run the subcommand of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    of_tracker = commands.add_parser("tracker")
    of_tracker.add_argument("mutants", type=Path, help="the output of mutants_of.mjs")
    of_tracker.add_argument("--id", action="append", help="run this mutant only (repeatable)")
    of_tracker.add_argument("--lane", default=Lane.TRACKER, choices=(Lane.TRACKER, Lane.PAIR), type=Lane)
    of_tracker.add_argument("--only", default="*", help="run these cases or requirements only")
    of_tracker.add_argument("--browser", default="chromium")
    commands.add_parser("check", prefix_chars="\0").add_argument("option", nargs="*")
    chosen = parser.parse_args()
    # A shell's background jobs ignore SIGINT, and the checks, which are ended by it, would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.nice(10)
    if chosen.command == "tracker":
        options = ["--browser", chosen.browser, "--only", chosen.only]
        tracker(chosen.mutants, options, only=chosen.id, lane=chosen.lane)
    else:
        failed = first_failure(chosen.option)
        sys.stdout.write(f"{failed or 'no case fails'}\n")
        sys.exit(bool(failed))


if __name__ == "__main__":
    main()
