"""Measures what CLICKPORT_DURABILITY=power costs on a disk whose fsync is slow.

The server runs under strace, which delays each fsync and fdatasync of its processes; its ClickHouse runs
beside it and is not slowed. wrk sends events by 32 and by 128 connections, to servers of both durabilities in
turns. Meanwhile /healthz is asked. Everything stays on 127.0.0.1 and ends by itself.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.server import served, wrk
from reference_server.storage.embedded import LocalClickHouse

_BODY = {
    **{"t": "e", "n": "Purchase", "d": "slow.example", "u": "https://slow.example/cart"},
    **{"mk": ["plan", "seats"], "mv": ["pro", "5"], "ra": 49.99, "rc": "EUR"},
}
_DURABILITIES = ("process", "power")
_HEALTH_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """A run of wrk."""

    rate: float
    p95: float
    health: float
    """Milliseconds of the slowest answer of /healthz."""


def _strace(milliseconds: int) -> list[str]:
    delay = ["-e", f"inject=fsync,fdatasync:delay_exit={1000 * milliseconds}"] if milliseconds else []
    traced = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]
    return [*traced, *delay]


def _ask_health(url: str, over: threading.Event, took: list[float]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    while not over.wait(_HEALTH_SECONDS):
        begun = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - begun))
    connection.close()


def _measure(url: str, connections: int, seconds: int, folder: Path) -> _Figures:
    over, took = threading.Event(), [0.0]
    asking = threading.Thread(target=_ask_health, args=(url, over, took))
    asking.start()
    found = wrk(url, seconds, connections, folder / "bodies")
    over.set()
    asking.join()
    return _Figures(rate=found["answers"] / found["seconds"], p95=found["p95_ms"], health=max(took))


def main() -> None:
    """Measure, and print a row for each delay and number of connections."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turns (default: 3)")
    parser.add_argument("--seconds", type=int, default=4, help="of a run, at most 5 (default: 4)")
    parser.add_argument("--delays", type=int, nargs="*", default=[0, 5, 20], help="milliseconds of an fsync")
    given = parser.parse_args()
    for tool in ("wrk", "strace"):
        if not shutil.which(tool):
            parser.error(f"{tool} is not installed: apt-get install {tool}")
    sys.stdout.write("| fsync takes | connections | `process`, events/s | `power` | ratio | p95, ms | ")
    sys.stdout.write("`power` | /healthz, ms | `power` |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
    with tempfile.TemporaryDirectory() as name, LocalClickHouse(Path(name) / "clickhouse") as clickhouse:
        folder = Path(name)
        (folder / "bodies").write_text(json.dumps(_BODY) + "\n")
        for delay in given.delays:
            _compare(folder, clickhouse.url, delay, given.rounds, min(given.seconds, 5))


def _compare(folder: Path, clickhouse: str, delay: int, rounds: int, seconds: int) -> None:
    found: dict[tuple[int, str], list[_Figures]] = defaultdict(list)
    for _ in range(rounds):
        for durability in _DURABILITIES:
            data = folder / f"{delay}-{durability}"
            env = {"CLICKHOUSE_URL": clickhouse, "CLICKPORT_DURABILITY": durability}
            with served(data, before=_strace(delay), **env) as (url, _):
                for connections in (32, 128):
                    found[connections, durability].append(_measure(url, connections, seconds, folder))
    for connections in (32, 128):
        process, power = (found[connections, durability] for durability in _DURABILITIES)
        ratios = [one.rate / other.rate for one, other in zip(power, process, strict=True)]
        cells = [
            *(f"+{delay} ms" if delay else "as it is", str(connections)),
            *(f"{statistics.median(each.rate for each in some):,.0f}" for some in (process, power)),
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            *(f"{statistics.median(each.p95 for each in some):.1f}" for some in (process, power)),
            *(f"{max(each.health for each in some):.0f}" for some in (process, power)),
        ]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
