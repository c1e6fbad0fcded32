"""The processes of a fault run on a cluster: shards, nodes, a front, and the links between them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.faults import links
from benchmarks.faults.command import WAIT
from benchmarks.faults.links import Link
from conformance.targets.process import free_port
from reference_server.delivery.census import census
from reference_server.storage.embedded import own_port
from reference_server.storage.embedded_cluster import CLUSTER, LocalCluster

SHARDS = NODES = 2
_ACCEPTED = "clickport_events_accepted_total "


@dataclass
class ClusterScene:
    """Two shards, two nodes and a front; ``to_shards`` are the links of nodes, ``between`` of shards."""

    folder: Path
    stack: ExitStack
    kills: int = 0
    notes: list[str] = field(default_factory=list)
    nodes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose ports and open the links; nothing else runs yet."""
        self.ports = [free_port() for _ in range(NODES)]
        self.front_port = free_port()
        tcp = [own_port() for _ in range(SHARDS)]
        self.between = [self.stack.enter_context(Link(port)) for port in tcp]
        seen = {number: link.port for number, link in enumerate(self.between, 1)}
        self.cluster = LocalCluster(self.folder / "clickhouse", SHARDS, ports=tcp, seen=seen)
        self.to_shards: list[Link] = []
        self.front: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address of the front."""
        return f"http://127.0.0.1:{self.front_port}"

    def begin(self) -> None:
        """Start everything."""
        self.cluster.start()
        self.stack.callback(self.cluster.stop)
        urls = []
        for shard in self.cluster.shards:
            port = urlsplit(shard.url).port or 0
            link = self.stack.enter_context(Link(port))
            self.to_shards.append(link)
            urls.append(shard.url.replace(f":{port}/", f":{link.port}/"))
        secret = self.folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(os.urandom(32).hex())
        self._env = {
            **os.environ,
            "CLICKHOUSE_URL": ",".join(urls),
            "CLICKHOUSE_CLUSTER": CLUSTER,
            "CLICKPORT_SECRET_FILE": str(secret),
        }
        for number in range(NODES):
            self.start_node(number)
            self.stack.callback(self.end_node, number, signal.SIGTERM)
        self.start_front()
        self.stack.callback(self.end_front)

    def start_node(self, number: int) -> None:
        """Start a node on its folder and port, and wait until it listens."""
        options = ["--port", str(self.ports[number]), "--data", str(self.folder / f"node-{number}")]
        with (self.folder / f"node-{number}.err").open("a") as errors:
            node = subprocess.Popen(
                [sys.executable, "-P", "-m", "reference_server", "serve", *options],
                env=self._env,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.nodes[number] = node
        assert node.stdout
        if not node.stdout.readline():
            raise SystemExit((self.folder / f"node-{number}.err").read_text()[-3000:])

    def end_node(self, number: int, by: signal.Signals) -> None:
        """End a node by a signal."""
        node = self.nodes[number]
        if node.poll() is None:
            node.send_signal(by)
        node.wait(WAIT)
        if node.stdout:
            node.stdout.close()

    def start_front(self) -> None:
        """Start the front as a process."""
        self.front = subprocess.Popen(
            [sys.executable, "-P", links.__file__, str(self.front_port), *map(str, self.ports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(links.__file__).parents[2])},
        )
        assert self.front.stdout
        self.front.stdout.readline()

    def end_front(self) -> None:
        """Kill the front."""
        assert self.front
        self.front.kill()
        self.front.communicate()

    def kill_shard(self, number: int) -> None:
        """End a shard by SIGKILL; it stays away until it is started."""
        shard = self.cluster.shards[number]
        assert shard.pid
        os.kill(shard.pid, signal.SIGKILL)
        shard.stop()
        self.kills += 1

    def kill_node(self, number: int) -> None:
        """End a node by SIGKILL."""
        self.end_node(number, signal.SIGKILL)
        self.kills += 1

    def outboxes(self) -> list[Path]:
        """Return the folders of the outboxes."""
        return [self.folder / f"node-{number}" / "state" / "outbox" for number in range(NODES)]

    def pending(self) -> int:
        """Return the number of events that wait in outboxes."""
        return sum(census(folder).pending for folder in self.outboxes() if folder.exists())

    def accepted(self) -> int:
        """Return how many events the nodes have acknowledged, by their metrics."""
        total = 0
        for port in self.ports:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=WAIT).text
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(_ACCEPTED))
        return total

    def until(self, moment: float) -> None:
        """Sleep until a time (monotonic clock)."""
        with suppress(ValueError):
            time.sleep(moment - time.monotonic())
