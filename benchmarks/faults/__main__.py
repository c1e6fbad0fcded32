"""Inject faults under load and count the events: each acknowledged one must be stored once (STORE-5).

Each run starts a ClickHouse and the reference server, sends events by ``clickport load``, injects one fault
meanwhile, and takes the comparison of acknowledged events with rows from the load run. All traffic stays on
127.0.0.1, and every process is stopped at the end.
"""

import json
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.faults import outages, refusals
from benchmarks.faults.checks import DIFFERENCES, ROWS, ask
from benchmarks.faults.command import WAIT, parser_of, until
from benchmarks.faults.faults import FAULTS
from benchmarks.faults.scene import LoadScenario
from reference_server.delivery.census import census
from reference_server.storage.embedded import LocalClickHouse

# Modules that are imported because they register faults.
_MORE = (outages, refusals)


def run(name: str, rate: float, seconds: float) -> dict[str, Any]:
    """Inject one fault once; return the counts of the load run, quarantined events and remarks."""
    seconds = max(seconds, FAULTS[name].seconds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-faults-")))
        clickhouse = LocalClickHouse(folder / "clickhouse", steady=True)
        stack.enter_context(clickhouse)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        scene = LoadScenario(folder=folder, seconds=seconds, clickhouse=clickhouse, port=port)
        FAULTS[name].prepare(scene, stack)
        scene.serve()
        stack.callback(scene.close)
        rows_url = scene.rows_url
        report = folder / "report.json"
        command = [
            *(sys.executable, "-P", "-m", "conformance", "load", scene.url, "--clickhouse", rows_url),
            *("--rate", f"{rate:g}", "--for", f"{seconds:g}s", "--patience", "60s"),
            *("--report", f"json={report}", "--run-record", str(folder / "run.jsonl")),
        ]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stack.callback(load.kill)
        until(lambda: census(scene.outboxes).accepted > 0, f"no event was acknowledged within {WAIT:g} s")
        FAULTS[name].act(scene)
        output, errors = load.communicate(timeout=seconds + 10 * WAIT)
        if not report.exists():
            raise SystemExit(
                f"{name}: the load run ended with exit code {load.returncode}:\n{output}{errors}"
            )
        # Wait for events that a fault has sent, too.
        until(lambda: census(scene.outboxes).pending == 0, f"events are still pending after {WAIT:g} s")
        counted = census(scene.outboxes)
        figures = json.loads(report.read_text(encoding="utf-8"))["load"]
        return {
            **figures["events"],
            # Pageviews count, too, and events beside those of the load run.
            "lost": max(figures["events"]["lost"], scene.accepted() - ask(rows_url, ROWS)),
            "quarantined": counted.quarantined + counted.lost,
            "errors": figures["errors"],
            "requests": figures["requests"],
            "notes": scene.notes,
            "differences": ask(rows_url, DIFFERENCES),
        }


def main() -> None:
    """Inject the faults and print a row for each run; exit with 1 if events were lost, doubled or altered."""
    parser = parser_of(__doc__, FAULTS)
    parser.add_argument("--runs", type=int, default=3, help="runs of each fault (default: 3)")
    parser.add_argument("--seconds", type=float, default=30, help="seconds of load (default: 30)")
    given = parser.parse_args()
    sys.stdout.write(
        "| fault | acknowledged | not acknowledged | stored | lost | doubled | altered | set aside"
        " | rollups differ by | |\n"
    )
    sys.stdout.write("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
    wrong = 0
    for name in given.faults or FAULTS:
        for _ in range(given.runs):
            counts = run(name, given.rate, given.seconds)
            lost = counts["lost"] - counts["quarantined"]
            wrong += lost + counts["doubled"] + counts["altered"] + counts["differences"]
            numbers = (
                *(counts["acknowledged"], counts["errors"], counts["stored"], lost, counts["doubled"]),
                *(counts["altered"], counts["quarantined"], counts["differences"]),
            )
            cells = [
                FAULTS[name].title,
                *(f"{number:,}" for number in numbers),
                "; ".join(counts["notes"]),
            ]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
