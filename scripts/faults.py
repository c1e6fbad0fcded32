"""Breaks things under load and counts what is left: acknowledged = stored, once (STORE-5).

Each run starts a ClickHouse and the reference server, sends events by ``clickport load`` from outside, does
one thing to them meanwhile, and lets the load run compare what was acknowledged with the rows.
Everything stays on 127.0.0.1 and ends by itself.
"""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from reference_server.clickhouse.client import connect
from reference_server.clickhouse.local import LocalClickHouse
from reference_server.outbox import census

_WAIT = 60.0


@dataclass
class Scene:
    """What runs while events are sent."""

    folder: Path
    seconds: float
    clickhouse: LocalClickHouse
    port: int
    through: str = ""
    server: subprocess.Popen[str] | None = None
    forgetful: threading.Event = field(default_factory=threading.Event)
    answers_lost: int = 0
    notes: list[str] = field(default_factory=list)
    clock: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the server, the same after each start."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def outboxes(self) -> Path:
        """The folder of the outboxes."""
        return self.folder / "server" / "state" / "outbox"

    def serve(self) -> None:
        """Start the server on its folder and port."""
        options = ["--port", str(self.port), "--data", str(self.folder / "server"), "--workers", "2"]
        self.server = subprocess.Popen(
            [sys.executable, "-P", "-m", "reference_server", "serve", *options],
            env={**os.environ, **self.clock, "CLICKHOUSE_URL": self.through or self.clickhouse.url},
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.err").open("a"),
            text=True,
        )
        assert self.server.stdout
        if not self.server.stdout.readline():
            raise SystemExit(f"the server did not start: see {self.folder / 'server.err'}")

    def end(self, number: signal.Signals) -> None:
        """Send the server a signal and wait for its end."""
        assert self.server
        self.server.send_signal(number)
        self.server.wait(_WAIT)

    def close(self) -> None:
        """Leave no server."""
        if self.server and self.server.poll() is None:
            self.end(signal.SIGTERM)

    def workers(self) -> list[psutil.Process]:
        """The worker processes: those that listen on the port."""
        assert self.server
        below = psutil.Process(self.server.pid).children(recursive=True)
        return [each for each in below if any(c.laddr.port == self.port for c in each.net_connections("tcp"))]

    def pause(self, share: float) -> None:
        """Let a part of the time of the load go by."""
        time.sleep(share * self.seconds)


def _nothing(_: Scene) -> None:
    pass


def _lose_answers(scene: Scene) -> None:
    scene.forgetful.set()
    scene.pause(0.8)
    scene.forgetful.clear()
    scene.notes.append(f"{scene.answers_lost} answers")


def _kill_workers(scene: Scene) -> None:
    for _ in range(3):
        scene.pause(0.2)
        scene.workers()[0].kill()


def _kill_server(scene: Scene) -> None:
    for _ in range(2):
        scene.pause(0.3)
        scene.end(signal.SIGKILL)
        scene.serve()


def _kill_clickhouse(scene: Scene) -> None:
    scene.pause(0.15)
    assert scene.clickhouse.pid
    os.kill(scene.clickhouse.pid, signal.SIGKILL)
    scene.clickhouse.stop()
    time.sleep(20)
    waiting = census(scene.outboxes).pending
    scene.notes.append(f"{waiting:,} events waited")
    scene.clickhouse.start()


def _fill_disk(scene: Scene) -> None:
    """No file of a worker may grow any more, for a third of the time."""
    scene.pause(0.2)
    workers = scene.workers()
    _, most = resource.prlimit(workers[0].pid, resource.RLIMIT_FSIZE)
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (64 * 1024, most))
    scene.pause(0.3)
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))


def _poison(scene: Scene) -> None:
    """From here on ClickHouse refuses every event in pounds."""
    scene.pause(0.2)
    client = connect(scene.clickhouse.url)
    client.command("ALTER TABLE events ADD CONSTRAINT no_pounds CHECK revenue_source_currency != 'GBP'")
    client.close()


def _terminate(scene: Scene) -> None:
    """ClickHouse is away, the outbox fills, and the server is told to end; then both come back."""
    scene.pause(0.15)
    scene.clickhouse.stop()
    scene.pause(0.3)
    scene.end(signal.SIGTERM)
    scene.notes.append(f"{census(scene.outboxes).pending:,} events waited")
    scene.clickhouse.start()
    scene.serve()


def _turn_back(scene: Scene) -> None:
    """The server's clock goes an hour back, and half an hour ahead of that."""
    file = Path(scene.clock["FAKETIME_TIMESTAMP_FILE"])
    for shift in ("-3600", "-1800"):
        scene.pause(0.3)
        file.write_text(shift, encoding="ascii")
    scene.pause(0.3)
    client = connect(scene.clickhouse.url)
    [[early]] = client.query("SELECT countIf(timestamp < now() - 1200) FROM events").result_rows
    client.close()
    scene.notes.append(f"{early:,} rows have an earlier time")


def _faked(file: Path) -> Mapping[str, str]:
    """What lets the server read its clock through ``file``; timers go on as they are."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if not found:
        raise SystemExit("clock: libfaketime is not installed: apt-get install faketime")
    file.write_text("+0", encoding="ascii")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


FAULTS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "none": ("nothing", _nothing),
    "worker": ("SIGKILL of a worker, three times", _kill_workers),
    "server": ("SIGKILL of the whole server, twice, and a start", _kill_server),
    "clickhouse": ("ClickHouse killed for 20 s", _kill_clickhouse),
    "disk": ("no room for the outbox, a third of the time", _fill_disk),
    "poison": ("ClickHouse refuses every event in pounds", _poison),
    "answers": ("the answers to two inserts in three get lost", _lose_answers),
    "clock": ("the clock goes an hour back, and half an hour ahead", _turn_back),
    "sigterm": ("SIGTERM with a full outbox, ClickHouse away", _terminate),
}


@contextmanager
def _forgetful(scene: Scene) -> Iterator[str]:
    """A way to ClickHouse on which the answers to two inserts in three get lost: it has the rows."""
    url = scene.clickhouse.url
    target = urlsplit(url)
    inserts = 0

    def carry(source: socket.socket, sink: socket.socket) -> None:
        nonlocal inserts
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            answered = data.startswith(b"HTTP/1.1 200") and b'"written_rows":"0"' not in data
            if answered and b"X-ClickHouse-Summary" in data and scene.forgetful.is_set():
                inserts += 1
                data = b"" if inserts % 3 else data
                scene.answers_lost += not data
            with suppress(OSError):
                if not data:
                    source.shutdown(socket.SHUT_RDWR)
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection((target.hostname, target.port))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        place = f"127.0.0.1:{listening.getsockname()[1]}"
        yield url.replace(f"{target.hostname}:{target.port}", place)
        listening.shutdown(socket.SHUT_RDWR)


def run(name: str, rate: float, seconds: float) -> dict[str, Any]:
    """Try one fault once; return the figures of the load run and what was set aside."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-faults-")))
        clickhouse = LocalClickHouse(folder / "clickhouse", steady=True)
        stack.enter_context(clickhouse)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        scene = Scene(folder=folder, seconds=seconds, clickhouse=clickhouse, port=port)
        if name == "answers":
            scene.through = stack.enter_context(_forgetful(scene))
        if name == "clock":
            scene.clock = _faked(folder / "clock")
        scene.serve()
        stack.callback(scene.close)
        report = folder / "report.json"
        command = [
            *(sys.executable, "-P", "-m", "conformance", "load", scene.url, "--clickhouse", clickhouse.url),
            *("--rate", f"{rate:g}", "--for", f"{seconds:g}s", "--patience", "60s"),
            *("--report", f"json={report}", "--run-record", str(folder / "run.jsonl")),
        ]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stack.callback(load.kill)
        _until(lambda: census(scene.outboxes).accepted > 0)
        FAULTS[name][1](scene)
        said, told = load.communicate(timeout=seconds + 10 * _WAIT)
        if not report.exists():
            raise SystemExit(f"{name}: the load run ended with {load.returncode}:\n{said}{told}")
        figures = json.loads(report.read_text(encoding="utf-8"))["load"]
        return {
            **figures["events"],
            "quarantined": census(scene.outboxes).quarantined,
            "errors": figures["errors"],
            "requests": figures["requests"],
            "notes": scene.notes,
        }


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("nothing was acknowledged")
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
        "| fault | acknowledged | not acknowledged | stored | lost | doubled | altered | set aside | |\n"
    )
    sys.stdout.write("|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
    wrong = 0
    for name in given.faults or FAULTS:
        for _ in range(given.runs):
            found = run(name, given.rate, given.seconds)
            lost = found["lost"] - found["quarantined"]
            wrong += lost + found["doubled"] + found["altered"]
            counts = (found["acknowledged"], found["errors"], found["stored"], lost, found["doubled"])
            more = (found["altered"], found["quarantined"])
            cells = [
                FAULTS[name][0],
                *(f"{count:,}" for count in (*counts, *more)),
                "; ".join(found["notes"]),
            ]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
