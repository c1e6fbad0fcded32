"""``clickport cluster``: nodes and shards behind a front, checked and loaded, and gone after Ctrl-C."""

import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

DEADLINE_SECONDS = 60.0
_NULL_SERVER = Path(__file__).parents[1] / "check/implementations/null_server.py"
_CLICKPORT = (sys.executable, "-P", "-m", "conformance")


@dataclass(frozen=True)
class Running:
    """A started cluster: its process, its front, its nodes, and the ClickHouse of a shard."""

    process: subprocess.Popen[str]
    url: str
    nodes: list[str]
    clickhouse: str

    def children(self, word: str) -> list[psutil.Process]:
        """Return its processes that have a word in their command, or the name of a file."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if word in map(os.path.basename, child.cmdline()):
                    found.append(child)
        return found


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files of the cluster."""
    return tmp_path_factory.mktemp("temp")


@pytest.fixture(scope="module")
def running(temp: Path) -> Iterator[Running]:
    """A cluster of two nodes on two shards."""
    process = subprocess.Popen(
        [*_CLICKPORT, "cluster", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temp)},
    )
    try:
        assert process.stdout
        lines = ""
        while "check it" not in lines:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            lines += line
        yield Running(
            process,
            re.findall(r"cluster on (\S+);", lines)[0],
            re.findall(r"^node \d +(\S+)", lines, re.M),
            re.findall(r"^shard 1 +(\S+)", lines, re.M)[0],
        )
        process.terminate()
        process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.communicate()


def accepted(running: Running) -> list[int]:
    """Return how many events each node has acknowledged."""
    found: list[int] = []
    for node in running.nodes:
        text = httpx.get(f"{node}/metrics", trust_env=False, verify=False).text
        found += map(int, re.findall(r"^clickport_events_accepted_total (\d+)", text, re.M))
    return found


def clickport(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*_CLICKPORT, *words], capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )


def test_checks_pass_on_several_servers(running: Running, tmp_path: Path) -> None:
    """The server lane spreads its requests over the nodes, and reads the rows through one shard."""
    servers = [word for node in running.nodes for word in ("--server", node)]
    done = clickport(
        *("check", "--lane", "server", *servers, "--clickhouse", running.clickhouse),
        *("--only", "server/store-1-name-*", "--only", "server/store-5-acknowledged*"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert min(accepted(running)) > 0


def test_each_of_several_servers_gets_its_share_of_the_cases(running: Running, tmp_path: Path) -> None:
    """One that loses every event fails half of them; all might have gone to the other one."""
    forgetting = runpy.run_path(str(_NULL_SERVER))["Handler"]
    with ThreadingHTTPServer(("127.0.0.1", 0), forgetting) as forgetful:
        threading.Thread(target=forgetful.serve_forever, daemon=True).start()
        done = clickport(
            *("check", "--lane", "server", "--server", running.nodes[0]),
            *("--server", f"http://127.0.0.1:{forgetful.server_port}", "--clickhouse", running.clickhouse),
            *("--only", "server/store-1-name-*", "--jobs", "1", "--report", "json=report.json"),
            cwd=tmp_path,
        )
        forgetful.shutdown()
    assert done.returncode == 1, done.stdout + done.stderr
    cases = json.loads((tmp_path / "report.json").read_text())["cases"]
    statuses = Counter(case["status"] for case in cases)
    assert abs(statuses["pass"] - statuses["fail"]) <= 1 < statuses["pass"], statuses


def test_load_finds_each_event_once_although_a_shard_and_a_node_are_killed(
    running: Running, tmp_path: Path
) -> None:
    """Both are started again; what was acknowledged is stored once."""
    report = tmp_path / "load.json"
    words = [
        *(*_CLICKPORT, "load", *running.nodes, "--clickhouse", running.clickhouse, "--rate", "100"),
        *("--for", "4s", "--patience", "60s", "--report", f"json={report}"),
    ]
    before = accepted(running)
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as load:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while accepted(running) == before:
            assert time.monotonic() < deadline, "no event was acknowledged"
            time.sleep(0.05)
        running.children("shard-2")[0].kill()
        running.children("serve")[0].kill()
        output, _ = load.communicate(timeout=120)
    events = json.loads(report.read_text())["load"]["events"]
    assert events["acknowledged"] > 0, output
    assert (events["lost"], events["doubled"], events["altered"]) == (0, 0, 0)


def test_nothing_is_left_after_ctrl_c(running: Running, temp: Path) -> None:
    """Processes, ports and files of the command end with it."""
    below = psutil.Process(running.process.pid).children(recursive=True)
    assert below
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(DEADLINE_SECONDS) == 0
    assert [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    for url in (running.url, *running.nodes, running.clickhouse):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", httpx.URL(url).port or 0))
    assert list(temp.iterdir()) == []


def test_fewer_shards_than_before_are_refused(tmp_path: Path) -> None:
    """The rows of the others would be missing from every figure."""
    (tmp_path / "clickhouse" / "shard-2").mkdir(parents=True)
    done = clickport(*("cluster", "--shards", "1", "--port", "0", "--data", str(tmp_path)), cwd=tmp_path)
    assert done.returncode == 3
    assert "also has shard-2, whose rows 1 shards would not show: give at least" in done.stderr
