"""Measures what CLICKPORT_DURABILITY=power costs on a disk whose fsync is slow.

The server runs under strace, which delays each fsync and fdatasync of its processes; its ClickHouse runs
beside it and is not slowed. wrk sends events by 32 and by 128 connections, to servers of both durabilities in
turns. Meanwhile /healthz is asked. Everything stays on 127.0.0.1 and ends by itself.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from reference_server.storage.embedded import LocalClickHouse

_LUA = Path(__file__).parents[1] / "load" / "probe.lua"
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


@contextmanager
def _served(folder: Path, clickhouse: str, durability: str, milliseconds: int) -> Iterator[str]:
    traced = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]
    delay = ["-e", f"inject=fsync,fdatasync:delay_exit={1000 * milliseconds}"] if milliseconds else []
    command = [sys.executable, "-P", "-m", "reference_server", "serve", "--port", "0", "--data", str(folder)]
    process = subprocess.Popen(
        [*traced, *delay, *command],
        env={**os.environ, "CLICKHOUSE_URL": clickhouse, "CLICKPORT_DURABILITY": durability},
        stdout=subprocess.PIPE,
        stderr=(folder / "server.err").open("w"),
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise SystemExit((folder / "server.err").read_text())
        yield line.removeprefix("Clickport reference server on ").split()[0]
    finally:
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGTERM)
        process.wait(60)


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
    files = [str(folder / "bodies"), str(folder / "headers")]
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s", str(_LUA), "--latency"]
    told = subprocess.run([*command, f"{url}/api/event", "--", *files], capture_output=True, check=True)
    over.set()
    asking.join()
    found = json.loads(told.stdout.decode().splitlines()[-1])
    if found["refused"] or found["failed"]:
        raise SystemExit(f"not all were acknowledged: {found}")
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
        (folder / "headers").write_text("Content-Type: text/plain\n")
        for delay in given.delays:
            _compare(folder, clickhouse.url, delay, given.rounds, min(given.seconds, 5))


def _compare(folder: Path, clickhouse: str, delay: int, rounds: int, seconds: int) -> None:
    found: dict[tuple[int, str], list[_Figures]] = defaultdict(list)
    for _ in range(rounds):
        for durability in _DURABILITIES:
            data = folder / f"{delay}-{durability}"
            data.mkdir(exist_ok=True)
            with _served(data, clickhouse, durability, delay) as url:
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
