"""Breaks things under load and counts what is left: acknowledged = stored, once (STORE-5).

Each run starts a ClickHouse and the reference server, sends events by ``clickport load`` from outside, does
one thing to them meanwhile, and lets the load run compare what was acknowledged with the rows.
Everything stays on 127.0.0.1 and ends by itself.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.faults import outages, refusals
from benchmarks.faults.faults import FAULTS
from benchmarks.faults.scene import WAIT, LoadScenario
from reference_server.delivery.census import census
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

# Modules whose faults are registered beside those of ``faults``.
_MORE = (outages, refusals)
_ROWS = "SELECT count() FROM events"
# By how much the sums of the rollups differ from the events, added up.
_DIFFERENCES = """
WITH (SELECT count() FROM events) AS events,
    (SELECT count() FROM events WHERE type = 'custom') AS customs,
    (SELECT sum(length(meta_keys)) FROM events WHERE type = 'custom') AS properties,
    (SELECT count() FROM events WHERE session_id != '') AS in_sessions
SELECT sum(abs(expected - found)) FROM (
    SELECT toInt64(events) AS expected, toInt64(sum(pageviews) + sum(customs)) AS found
    FROM rollup_traffic GROUP BY step
    UNION ALL SELECT toInt64(customs), toInt64(sum(count)) FROM rollup_events GROUP BY step
    UNION ALL SELECT toInt64(properties), toInt64(sum(count)) FROM rollup_properties GROUP BY step
    UNION ALL SELECT toInt64(in_sessions), toInt64(sum(pageviews) + sum(customs)) FROM rollup_sessions
)
"""


def run(name: str, rate: float, seconds: float) -> dict[str, Any]:
    """Try one fault once; return the figures of the load run and what was set aside."""
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
        _until(lambda: census(scene.outboxes).accepted > 0, "nothing was acknowledged")
        FAULTS[name].act(scene)
        said, told = load.communicate(timeout=seconds + 10 * WAIT)
        if not report.exists():
            raise SystemExit(f"{name}: the load run ended with {load.returncode}:\n{said}{told}")
        # Events beside those of the load run count, too.
        _until(lambda: census(scene.outboxes).pending == 0, "events wait")
        counted = census(scene.outboxes)
        figures = json.loads(report.read_text(encoding="utf-8"))["load"]
        return {
            **figures["events"],
            # Pageviews count, too, and events beside those of the load run.
            "lost": max(figures["events"]["lost"], scene.accepted() - _ask(rows_url, _ROWS)),
            "quarantined": counted.quarantined + counted.lost,
            "errors": figures["errors"],
            "requests": figures["requests"],
            "notes": scene.notes,
            "unlike": _ask(rows_url, _DIFFERENCES),
        }


def _ask(url: str, query: str) -> int:
    client = connect(url)
    try:
        return int(client.query(query).result_rows[0][0])
    finally:
        client.close()


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(0.05)


def main() -> None:
    """Try the faults and print a row for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", help=f"any of {', '.join(FAULTS)}; all of them without any")
    parser.add_argument("--runs", type=int, default=3, help="of each (default: 3)")
    parser.add_argument("--rate", type=float, default=550, help="requests a second (default: 550)")
    parser.add_argument("--seconds", type=float, default=30, help="of load (default: 30)")
    given = parser.parse_args()
    if unknown := set(given.faults) - set(FAULTS):
        parser.error(f"no fault is called {', '.join(sorted(unknown))}: there are {', '.join(FAULTS)}")
    sys.stdout.write(
        "| fault | acknowledged | not acknowledged | stored | lost | doubled | altered | set aside"
        " | rollups differ by | |\n"
    )
    sys.stdout.write("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
    wrong = 0
    for name in given.faults or FAULTS:
        for _ in range(given.runs):
            found = run(name, given.rate, given.seconds)
            lost = found["lost"] - found["quarantined"]
            wrong += lost + found["doubled"] + found["altered"] + found["unlike"]
            counts = (found["acknowledged"], found["errors"], found["stored"], lost, found["doubled"])
            more = (found["altered"], found["quarantined"], found["unlike"])
            cells = [
                FAULTS[name].title,
                *(f"{count:,}" for count in (*counts, *more)),
                "; ".join(found["notes"]),
            ]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
