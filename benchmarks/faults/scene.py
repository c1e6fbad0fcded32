"""The processes of a fault run: a ClickHouse, the reference server, and a proxy between them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.faults.command import WAIT
from reference_server.storage.embedded import LocalClickHouse


@dataclass
class LoadScenario:
    """The processes, settings and remarks of a fault run."""

    folder: Path
    seconds: float
    clickhouse: LocalClickHouse
    port: int
    through: str = ""
    embedded: bool = False
    server: subprocess.Popen[str] | None = None
    forgetful: threading.Event = field(default_factory=threading.Event)
    answers_lost: int = 0
    notes: list[str] = field(default_factory=list)
    clock: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the address of the server, the same after each start."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def outboxes(self) -> Path:
        """Return the folder of the outboxes."""
        return self.folder / "server" / "state" / "outbox"

    def serve(self) -> None:
        """Start the server with this run's folder and port, and wait until it listens."""
        options = ["--port", str(self.port), "--data", str(self.folder / "server"), "--workers", "2"]
        self.server = subprocess.Popen(
            [sys.executable, "-P", "-m", "reference_server", "serve", *options],
            env={**os.environ, **self.clock, **self._store()},
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.err").open("a"),
            text=True,
        )
        assert self.server.stdout
        if not self.server.stdout.readline():
            raise SystemExit(f"the server did not start: see {self.folder / 'server.err'}")

    def _store(self) -> Mapping[str, str]:
        return {} if self.embedded else {"CLICKHOUSE_URL": self.through or self.clickhouse.url}

    @property
    def rows_url(self) -> str:
        """The URL of the ClickHouse that has the rows; of an embedded one the workers know it."""
        return self.workers()[0].environ()["CLICKHOUSE_URL"] if self.embedded else self.clickhouse.url

    def accepted(self) -> int:
        """Return how many events the server has acknowledged, by its metrics."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=WAIT).text
        [line] = [line for line in text.splitlines() if line.startswith("clickport_events_accepted_total ")]
        return int(line.split()[1])

    def embedded_process(self) -> psutil.Process | None:
        """The process of the server's own ClickHouse, if there is one now."""
        assert self.server
        for child in psutil.Process(self.server.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any("_child.py" in word for word in child.cmdline()):
                    return child
        return None

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the server and wait until it has ended."""
        assert self.server
        self.server.send_signal(number)
        self.server.wait(WAIT)

    def close(self) -> None:
        """End the server, if it runs."""
        if self.server and self.server.poll() is None:
            self.end(signal.SIGTERM)

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes, which are those that listen on the port."""
        assert self.server
        below = psutil.Process(self.server.pid).children(recursive=True)
        return [each for each in below if any(c.laddr.port == self.port for c in each.net_connections("tcp"))]

    def pause(self, share: float) -> None:
        """Wait for a share (0 to 1) of the duration of the load."""
        time.sleep(share * self.seconds)


@contextmanager
def forgetful(scene: LoadScenario) -> Iterator[str]:
    """Run a proxy that can drop the answers to two of three inserts, whose rows are stored; yield its URL."""
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
