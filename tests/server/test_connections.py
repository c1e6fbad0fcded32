"""Connections: clients that keep all of them open do not lock out others, and nothing leaks."""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from reference_server.runtime.connections import Connections, Streams, peer_name, surplus
from reference_server.storage.embedded import LocalClickHouse
from tests.server.crowd import WAYS, crowd
from tests.server.test_serve import eventually

Start = Callable[..., Any]
EVENT = {"t": "e", "n": "a", "d": "ordinary.example"}
ROOM = 16


@pytest.fixture(scope="module")
def narrow(start: Start, clickhouse: LocalClickHouse) -> Iterator[Any]:
    """A server with few connections."""
    with start(CLICKHOUSE_URL=clickhouse.url, CLICKPORT_MAX_CONNECTIONS=str(ROOM)) as server:
        yield server


@pytest.mark.parametrize("way", WAYS)
def test_a_crowd_keeps_no_client_out(narrow: Any, way: str) -> None:
    """With twice as many busy connections as the limit, events from the same address still pass."""
    with crowd(narrow.url, way, 2 * ROOM):
        for _ in range(4):
            assert (
                httpx.post(
                    f"{narrow.url}/api/event", json=EVENT, trust_env=False, verify=False, timeout=8
                ).status_code
                == 202
            )


def test_the_connection_of_another_address_stays(narrow: Any) -> None:
    """Connections of the address that has the most are closed, not the only one of another."""
    address = httpx.URL(narrow.url)
    with (
        socket.create_connection((address.host, address.port), 8, ("127.0.0.2", 0)) as other,
        crowd(narrow.url, "requests", 2 * ROOM) as members,
    ):
        deadline = time.monotonic() + 20
        while members.ended < 3 * ROOM:
            other.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = other.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 "), answer
            assert b"connection: close" not in answer.lower()
            assert time.monotonic() < deadline, f"only {members.ended} connections were closed"


def test_who_makes_room() -> None:
    """The oldest connection of the largest address is closed each time; a /64 is one address."""
    held = [("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.1", 3), ("2001:db8::1", 4), ("2001:db8::2", 5)]
    since = {peer_name(*peer): float(-age) for age, peer in enumerate(reversed(held))}
    assert surplus(since, 0) == []
    assert surplus(since, -5) == []
    assert surplus(since, 1) == ["192.0.2.1 1"]
    assert sorted(surplus(since, 3)) == ["192.0.2.1 1", "192.0.2.1 2", "2001:db8::1 4"]
    assert sorted(surplus(since, 9)) == sorted(since)


def test_live_streams_leave_room(narrow: Any) -> None:
    """At most a quarter of the connections may be streams; others get 503 and a reason until one closes."""
    url = f"{narrow.url}/api/sites/ordinary.example/live"
    with httpx.Client(trust_env=False, timeout=20) as http:
        opened = [http.send(http.build_request("GET", url), stream=True) for _ in range(ROOM // 4 + 2)]
        assert [answer.status_code for answer in opened] == [200] * (ROOM // 4) + [503] * 2
        assert f"{ROOM // 4} live streams already" in opened[-1].read().decode()
        assert int(opened[-1].headers["Retry-After"]) > 0
        for answer in opened:
            answer.close()
        deadline = time.monotonic() + 20
        while True:
            with http.stream("GET", url) as answer:
                if answer.status_code == 200:
                    break
            assert time.monotonic() < deadline, "the streams that were closed are still counted"
            time.sleep(0.05)


def test_live_streams_of_an_address_are_few() -> None:
    """Beyond the limit of an address or /64 (0: none) the answer is 429; beyond the total, 503."""
    streams = Streams(most=4, most_by_address=2)
    with streams.opened("2001:db8::1"), streams.opened("2001:db8::2"):
        assert (streams.refused("2001:db8::3") or (0,))[0] == 429
        assert streams.refused("192.0.2.1") is None
        with streams.opened("192.0.2.1"), streams.opened("192.0.2.2"):
            assert (streams.refused("192.0.2.3") or (0,))[0] == 503
    assert streams.refused("2001:db8::3") is None
    free = Streams(most=4, most_by_address=0)
    with free.opened("192.0.2.1"), free.opened("192.0.2.1"), free.opened("192.0.2.1"):
        assert free.refused("192.0.2.1") is None


def test_behind_a_proxy_streams_are_those_of_its_clients(start: Start, clickhouse: LocalClickHouse) -> None:
    """A proxy may hold the streams of all its clients, each of which has its own limit."""
    env = {"CLICKPORT_PROXIES": "1", "CLICKPORT_ADDRESS_STREAMS": "1", "CLICKPORT_API_KEYS": "ck_one"}
    with start(CLICKHOUSE_URL=clickhouse.url, **env) as server:
        url = f"{server.url}/api/sites/ordinary.example/live"
        opened = []
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
            request = server.http.build_request(
                "GET", url, headers={"X-Forwarded-For": client, "x-api-key": "ck_one"}
            )
            opened.append(server.http.send(request, stream=True))
        assert [answer.status_code for answer in opened] == [200, 200, 429]
        for answer in opened:
            answer.close()


def test_a_worker_may_open_as_many_files_as_it_serves_connections() -> None:
    """The soft limit of descriptors is raised; if the hard limit is lower, fewer connections are served."""
    code = (
        "import resource, sys; from reference_server.runtime.connections import affordable;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])));"
        "print(affordable(int(sys.argv[3])), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    def served(soft: int, hard: int, connections: int) -> tuple[int, int]:
        command = [sys.executable, "-c", code, *map(str, (soft, hard, connections))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        number, limit = done.stdout.split()
        return int(number), int(limit)

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2048, (
        "this test needs a hard limit of 2,048 files"
    )
    assert served(512, 2048, 1024) == (1024, 1280)
    assert served(2048, 2048, 1024) == (1024, 2048)
    assert served(512, 1024, 1024) == (768, 1024)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this option")
def test_a_peer_that_vanished_is_let_go() -> None:
    """A connection whose peer acknowledges nothing ends after the body timeout."""
    connections = Connections(limit=8, seconds=1.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert connections.let_vanished_peers_go()
        with socket.create_connection(listening.getsockname()) as client, listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def is_connected(server: Any, port: int) -> bool:
    """Return True while a process of the server has a connection from this port of a client."""
    processes = psutil.Process(server.process.pid).children(recursive=True)
    peers = (connection.raddr for process in processes for connection in process.net_connections("tcp"))
    return any(peer and peer.port == port for peer in peers)


def test_a_reader_that_stops_is_let_go(start: Start, clickhouse: LocalClickHouse) -> None:
    """A client that requests more than its buffers hold and reads nothing loses its connection."""
    with start(CLICKHOUSE_URL=clickhouse.url, CLICKPORT_BODY_SECONDS="1") as server:
        address = httpx.URL(server.url)
        with socket.socket() as reader:
            reader.settimeout(20)
            reader.connect((address.host, address.port))
            # 23 MB of responses, more than all buffers hold: the server cannot send the rest.
            reader.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 400)
            port = reader.getsockname()[1]
            eventually(lambda: is_connected(server, port))
            eventually(lambda: not is_connected(server, port))


def test_descriptors_are_where_they_are_looked_for() -> None:
    """Closing surplus connections needs this folder, which Linux and macOS have."""
    assert Path("/dev/fd").is_dir()
