"""Two nodes on one ClickHouse, started as by a user."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reference_server.config import Config
from reference_server.delivery.census import census
from reference_server.runtime.shared_secret import compare_secret
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from tests.server.polling import WAIT, until
from tests.server.test_serve import descendants, gone, run

QUOTA = 20
PROBES = 200


class Nodes(NamedTuple):
    """Two running nodes, what they share, and a way to start more."""

    a: Any
    b: Any
    clickhouse: LocalClickHouse
    env: dict[str, str]
    start: Callable[..., Any]

    def ask(self, query: str) -> list[Any]:
        """Return the rows of a query."""
        client = connect(self.clickhouse.url)
        try:
            return list(client.query(query).result_rows)
        finally:
            client.close()


@pytest.fixture(scope="module")
def nodes(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes with one secret and with quotas."""
    folder = tmp_path_factory.mktemp("nodes")
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text("s" * 64)
    probes = ",".join(f"probe-{number}.example=1" for number in range(PROBES))
    with ExitStack() as stack:
        clickhouse = stack.enter_context(LocalClickHouse(folder / "clickhouse"))
        env = {
            "CLICKHOUSE_URL": clickhouse.url,
            "CLICKPORT_SECRET_FILE": str(secret),
            "CLICKPORT_QUOTA": f"one.example={QUOTA},both.example={QUOTA},{probes}",
        }
        a, b = (
            stack.enter_context(start("--data", str(folder / name), **env, CLICKPORT_NODE=f"node-{name}"))
            for name in "ab"
        )
        yield Nodes(a, b, clickhouse, env, start)


def within(node: Any, site: str) -> bool:
    """Send an event; return True if it is within the quota, as far as the node knows."""
    answer = node.post({"t": "e", "n": "a", "d": site})
    assert answer.status_code == 202
    return "quota" not in answer.headers.get("x-clickport-notes", "")


def accepted(node: Any, site: str) -> int:
    """Return the number of events that a node takes before the quota is used up."""
    return next(number for number in count() if not within(node, site))


def test_a_visitor_is_one_on_both(nodes: Nodes) -> None:
    """The salt of the day derives from the shared secret."""
    for node in (nodes.a, nodes.b):
        assert node.post({"t": "p", "d": "visitor.example"}, **{"User-Agent": "x"}).status_code == 202
        node.settle()
    query = "SELECT count(), uniqExact(visitor_id) FROM events WHERE site_id = 'visitor.example'"
    assert nodes.ask(query) == [(2, 1)]


def test_a_change_on_one_reaches_the_other(nodes: Nodes) -> None:
    """At once on the node that made it."""
    path = "/api/sites/settings.example/settings"
    zones = [node.http.get(path).json() for node in (nodes.a, nodes.b)]
    assert zones == [{"timezone": "UTC"}] * 2
    new = {"timezone": "Asia/Tokyo"}
    assert nodes.a.http.put(path, json=new).json() == nodes.a.http.get(path).json() == new
    until(lambda: nodes.b.http.get(path).json() == new, "the other node does not learn of the time zone")


def test_a_quota_is_of_all_nodes(nodes: Nodes) -> None:
    """QUOTA-1: a node counts the events that the other has stored from its next look on.

    The nodes refuse no event before the quota is used up, and each exceeds it at most by what the other has
    accepted since its last look.
    """
    assert [within(nodes.a, "one.example") for _ in range(12)] == [True] * 12
    together = [within(node, "both.example") for _ in range(QUOTA) for node in (nodes.a, nodes.b)]
    assert QUOTA <= sum(together) <= 2 * QUOTA
    # Accepted later than those above, so stored no earlier.
    for number in range(PROBES):
        assert within(nodes.a, f"probe-{number}.example")
    for node in (nodes.a, nodes.b):
        node.settle()
    numbers = iter(range(PROBES))
    until(lambda: not within(nodes.b, f"probe-{next(numbers)}.example"), "the other node does not look")
    assert accepted(nodes.b, "one.example") == QUOTA - 12
    assert accepted(nodes.b, "both.example") == 0


def test_the_live_page_says_whose_events_it_shows(nodes: Nodes, server: Any) -> None:
    """Only if there may be other nodes."""
    for node, name in ((nodes.a, "node-a"), (nodes.b, "node-b")):
        assert f"the events that the node {name} receives" in node.http.get("/live.example/live").text
    assert "data-node" not in server.http.get("/example.com/live").text


def test_a_node_that_ends_for_good_loses_nothing(nodes: Nodes, tmp_path: Path) -> None:
    """STORE-5: killed with a statement under way and events that wait, all are stored once."""
    site, data = "ended.example", tmp_path / "ended"
    sent = iter(range(1000))

    def send(node: Any, number: int) -> None:
        for _ in range(number):
            assert node.post({"t": "e", "n": f"n{next(sent)}", "d": site}).status_code == 202

    with nodes.start("--data", str(data), **nodes.env) as node:
        send(node, 50)
        node.settle()
        assert nodes.clickhouse.pid
        pids = descendants(node.process.pid)
        os.kill(nodes.clickhouse.pid, signal.SIGSTOP)
        try:
            send(node, 150)
            node.process.kill()
            until(lambda: gone(pids), "the worker process did not end")
        finally:
            os.kill(nodes.clickhouse.pid, signal.SIGCONT)
        node.process.communicate(timeout=WAIT)
    assert census(data / "state" / "outbox").pending == 150
    with nodes.start("--data", str(tmp_path / "own"), "--adopt-outbox", str(data), **nodes.env) as other:
        send(other, 10)
        other.settle()
        refused = run("--port", "0", "--adopt-outbox", str(data), **nodes.env)
        assert (refused.returncode, "another server is adopting it" in refused.stderr) == (3, True)
    assert nodes.ask(f"SELECT count(), uniqExact(name) FROM events WHERE site_id = '{site}'") == [(210, 210)]
    day = f"SELECT sum(customs) FROM rollup_traffic WHERE site = '{site}' AND step = 86400"
    assert nodes.ask(day) == [(210,)]
    assert list((data / "state" / "outbox").glob("*.sqlite*")) == []


def test_a_secret_that_cannot_be_used_is_reported(tmp_path: Path, clickhouse: LocalClickHouse) -> None:
    """The server does not start: exit code 3, and a message that names file and way out."""
    secret = tmp_path / "secret"
    ran = run("--port", "0", CLICKHOUSE_URL=clickhouse.url, CLICKPORT_SECRET_FILE=str(secret))
    reason = "copy it from another node"
    assert (ran.returncode, str(secret) in ran.stderr, reason in ran.stderr) == (3, True, True)


def test_another_secret_is_told(
    database: str, tmp_path: Path, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a node with another file, or with none; a node with the same one says nothing."""
    files = {name: tmp_path / name for name in ("mine", "other", "")}
    for name in ("mine", "other"):
        files[name].touch(0o600)
        files[name].write_text(name * 16)
    told = []
    # The secret of a node without a file is not compared with the next one's.
    for name in ("mine", "", "mine", "other", "mine", "mine"):
        caplog.clear()
        file = files[name] if name else None
        compare_secret(
            Clients(database), Config(clickhouse_url=database, state_dir=tmp_path, secret_file=file)
        )
        told.append("has another secret" in caplog.text)
    assert told == [False, True, False, True, True, False]
    with start(CLICKHOUSE_URL=database, CLICKPORT_SECRET_FILE=str(files["other"])) as node:
        node.process.terminate()
        assert "has another secret" in node.process.communicate(timeout=WAIT)[1]
