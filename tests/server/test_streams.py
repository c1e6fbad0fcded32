"""Live streams opened at the same time all get their events, and leave no file or socket in any state."""

import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server.runtime.gateway import Gateway, Writable
from reference_server.storage.embedded import LocalClickHouse
from tests.server.test_events import in_a_loop
from tests.server.test_serve import descendants, eventually

Start = Callable[..., Any]
SECONDS = 20.0


def connect(server: Any, site: str) -> socket.socket:
    """Request the stream of a site without waiting for the response."""
    address = httpx.URL(server.url)
    connection = socket.create_connection((address.host, address.port), timeout=SECONDS)
    connection.sendall(f"GET /api/sites/{site}/live HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, text: bytes) -> bytes:
    """Return the data up to and including a text."""
    read = b""
    while text not in read:
        more = connection.recv(65_536)
        assert more, f"the stream ended after {read!r}"
        read += more
    return read


def descriptors(server: Any) -> int:
    """Return the number of open files of all processes of a server."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in descendants(server.process.pid))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def pair(start: Start, clickhouse: LocalClickHouse, data: Path) -> Iterator[Any]:
    """A server of two worker processes."""
    with start("--workers", "2", "--data", str(data), CLICKHOUSE_URL=clickhouse.url) as server:
        yield server


def test_streams_opened_at_once_all_get_events(pair: Any, data: Path) -> None:
    """Twenty streams of one site and ten of five others leave no socket or file."""
    sites = ["one.example"] * 20 + [f"{letter}.example" for letter in "abcde"] * 2
    for _ in range(10):  # Each process opens its long-lived files first, such as connections to ClickHouse.
        pair.http.get("/healthz", headers={"Connection": "close"})
        httpx.post(f"{pair.url}/api/event", json={"t": "p", "d": sites[0]}, trust_env=False)
    before = descriptors(pair)
    with ExitStack() as stack, ThreadPoolExecutor(len(sites)) as pool:
        streams = list(pool.map(lambda site: stack.enter_context(connect(pair, site)), sites))
        list(pool.map(lambda stream: read_until(stream, b"event: ready"), streams))
        for site in dict.fromkeys(sites):
            event = {"t": "e", "n": f"for {site}", "d": site}
            assert httpx.post(f"{pair.url}/api/event", json=event, trust_env=False).status_code == 202
        told = pool.map(lambda stream, site: read_until(stream, f'"for {site}"'.encode()), streams, sites)
        assert all(text.count(b"data: {") == 1 for text in told)
    # An event opens the socket for sending, once per process.
    live = data / "state" / "live"
    eventually(lambda: descriptors(pair) <= before + 2 and not list(live.iterdir()))


def test_a_stream_closed_in_any_state_leaves_nothing(pair: Any, data: Path) -> None:
    """Closed before the answer or while running, by reset, half-closed, or requested by HEAD."""
    with connect(pair, "one.example") as warm:
        read_until(warm, b"event: ready")
    live = data / "state" / "live"
    eventually(lambda: not list(live.iterdir()))
    before = descriptors(pair)
    streams = [connect(pair, "one.example") for _ in range(24)]
    for number, stream in enumerate(streams):
        way = number % 4
        if way:
            read_until(stream, b"HTTP/1.1 200" if way == 1 else b"event: ready")
        if way == 2:  # Closes by RST.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if way == 3:
            stream.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1" not in read_to_end(stream)
        stream.close()
    assert httpx.head(f"{pair.url}/api/sites/one.example/live", trust_env=False).status_code == 200
    eventually(lambda: descriptors(pair) <= before and not list(live.iterdir()))


def read_to_end(connection: socket.socket) -> bytes:
    """Return the data until the server closes."""
    read = b""
    while more := connection.recv(65_536):
        read += more
    return read


def test_a_connection_that_is_full_is_not_writable() -> None:
    """A full connection is writable after the peer has read; an unknown one counts as writable."""
    here, there = socket.socketpair()
    with here, there:
        writable = Writable(here.fileno())
        assert writable()
        here.setblocking(False)
        while writable():
            here.send(b"x" * 65_536)
        there.setblocking(False)
        while not writable():
            there.recv(65_536)
    assert Writable(None)()


def test_a_reader_that_does_not_read_costs_no_memory() -> None:
    """Events are left out while its connection is full; granian would buffer all of them."""
    sent: list[bytes] = []

    class Feed:
        async def listen(self, _: str) -> AsyncIterator[bytes]:
            for event in (b"", b"first", b"", b"second", b"third"):
                yield event

    class Stream:
        async def send_bytes(self, data: bytes) -> None:
            sent.append(data)

    full = iter([True, False, True])
    gateway = Gateway.__new__(Gateway)
    gateway._live = Feed()  # type: ignore[assignment]
    in_a_loop(gateway._send_events("one.example", Stream(), lambda: next(full)))
    assert sent == [b"event: ready\ndata:\n\n", b"data: first\n\n", b":\n\n", b"data: third\n\n"]
