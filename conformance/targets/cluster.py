"""A cluster of the reference server on this machine: shards, ingest nodes, and a front of them."""

import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance import processes
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.front import require_free
from conformance.targets.installed_front import front
from conformance.targets.process import Process, free_port

CLUSTER = "clickport"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class RunningCluster:
    """A started cluster: the URL of its front, those of its nodes, and those of its shards' ClickHouse."""

    url: str
    nodes: tuple[str, ...]
    shards: tuple[str, ...]


@contextmanager
def cluster(
    folder: Path, *, shards: int, nodes: int, port: int, front_name: str, say: Callable[[str], None]
) -> Iterator[RunningCluster]:
    """Start a cluster with its data in a folder, and stop it on exit.

    ``front_name`` is one of FRONTS. A node or shard that ends is started again; ``say`` gets a message about
    it. Raises TargetUnavailable.
    """
    if not processes.is_posix():
        raise TargetUnavailable(f"the reference server {processes.NEEDS_POSIX}")
    ports = [free_port() for _ in range(nodes)]
    with ExitStack() as stack:
        require_free(port)  # The front comes last: it would take nodes that are not yet there for ended ones.
        words = [sys.executable, "-m", "reference_server", "clickhouse"]
        clickhouse = stack.enter_context(
            Process([*words, "--shards", str(shards), "--data", str(folder / "clickhouse")], pipe=True)
        )
        urls = clickhouse.read_line()
        env = {
            "CLICKHOUSE_URL": urls,
            "CLICKHOUSE_CLUSTER": CLUSTER,
            "CLICKPORT_SECRET_FILE": str(_secret(folder / "secret")),
        }
        nodes_ = [_Node(number, each, folder, env) for number, each in enumerate(ports, 1)]
        for node in nodes_:
            stack.callback(node.stop)
            node.start()
        for node in nodes_:
            node.process.wait_until_listening(node.port)
        url = stack.enter_context(front(front_name, [("127.0.0.1", each) for each in ports], port))
        over = threading.Event()
        keeper = threading.Thread(target=_keep, args=(nodes_, clickhouse, over, say), daemon=True)
        keeper.start()
        stack.callback(keeper.join)
        stack.callback(over.set)
        yield RunningCluster(url=url, nodes=tuple(node.url for node in nodes_), shards=tuple(urls.split(",")))


class _Node:
    def __init__(self, number: int, port: int, folder: Path, env: dict[str, str]) -> None:
        self.number, self.port = number, port
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder / f"node-{number}"
        self._env = {**env, "CLICKPORT_NODE": f"node {number}"}
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """Return the process of the node, which must have been started."""
        assert self._process
        return self._process

    def start(self) -> None:
        words = [sys.executable, "-m", "reference_server", "serve"]
        options = ["--port", str(self.port), "--data", str(self._folder)]
        self._process = Process([*words, *options], env=self._env)

    def stop(self) -> None:
        if self._process:
            self._process.stop()


def _keep(nodes: list[_Node], clickhouse: Process, over: threading.Event, say: Callable[[str], None]) -> None:
    """Start nodes that end again, until ``over`` is set."""
    reported = False
    while not over.wait(_LOOK_SECONDS):
        if clickhouse.exit_code is not None and not reported:
            reported = True
            say(f"the ClickHouse servers ended: {clickhouse.tail()}")
        for node in nodes:
            if (code := node.process.exit_code) is not None:
                say(f"node {node.number} ended with exit code {code} and is started again")
                node.stop()
                node.start()


def _secret(file: Path) -> Path:
    """Return the file of the secret that the nodes share, made when it is missing."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as opened:
            opened.write(secrets.token_hex(32))
    return file
