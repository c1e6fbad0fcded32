"""WebSockets of a page: the recorder carries the connection on to the site, or returns its refusal."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from conformance.recorder import Recorder

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASK = f"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
REFUSED = b"HTTP/1.1 426 Upgrade Required\r\nX-Own: yes\r\nContent-Length: 6\r\n\r\nnot so"
HELLO = b"\x81\x05hello"


@contextmanager
def site(answer: bytes, heads: list[bytes]) -> Iterator[str]:
    """Run a site that answers a request like this, greets, returns each byte doubled, and ends after b"!"."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65_536)
            heads.append(head)
            connection.sendall(answer)
            if answer is not AGREED:
                return
            connection.sendall(HELLO)
            while data := connection.recv(65_536):
                connection.sendall(bytes(byte for each in data for byte in (each, each)))
                if b"!" in data:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Run a recorder."""
    with Recorder() as running:
        yield running


def _upgraded(origin: str, early: bytes) -> socket.socket:
    """Ask for a WebSocket at an origin, with bytes after the request, and return the connection."""
    host = origin.removeprefix("http://")
    connection = socket.create_connection(("127.0.0.1", int(host.partition(":")[2])), timeout=10)
    head = f"GET /live?v=1 HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{ASK}\r\n"
    connection.sendall(head.encode() + early)
    return connection


def _until(connection: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        data = connection.recv(65_536)
        assert data, got
        got += data
    return got


def test_bytes_go_both_ways(recorder: Recorder) -> None:
    """The request reaches the site as its own, then bytes go both ways until the site ends."""
    heads: list[bytes] = []
    with site(AGREED, heads) as origin:
        fronts = recorder.front(origin)
        with _upgraded(fronts[0], b"ab") as connection:
            answer = _until(connection, b"aabb")
            connection.sendall(b"c!")
            assert _until(connection, b"!!") == b"cc!!"
            assert connection.recv(10) == b""
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.partition(b"\r\n\r\n")[2] == HELLO + b"aabb"
    head = heads[0].decode().splitlines()
    assert head[0] == "GET /live?v=1 HTTP/1.1"
    assert {f"Host: {origin[7:]}", f"Origin: {origin}", f"Sec-WebSocket-Key: {KEY}"} <= set(head)
    [seen] = recorder.wait(1, origins=fronts, path="/live", answered=True)
    assert seen.status == 101
    recorder.end_front(*fronts)


def test_a_refusal_is_returned(recorder: Recorder) -> None:
    """If the site does not switch protocols, the page gets its answer."""
    with site(REFUSED, []) as origin:
        fronts = recorder.front(origin)
        headers = dict(line.split(": ") for line in ASK.splitlines())
        answer = httpx.get(f"{fronts[0]}/live", headers=headers)
        assert (answer.status_code, answer.text, answer.headers["X-Own"]) == (426, "not so", "yes")
        recorder.end_front(*fronts)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n"])
def test_no_answer_of_the_site_is_a_502(recorder: Recorder, answer: bytes) -> None:
    """If the site ends the connection or speaks something else, the page gets a 502 with the reason."""
    with site(answer, []) as origin:
        fronts = recorder.front(origin)
        headers = dict(line.split(": ") for line in ASK.splitlines())
        found = httpx.get(f"{fronts[0]}/live", headers=headers)
        assert found.status_code == 502
        assert f"{origin}/live cannot be reached" in found.text
        recorder.end_front(*fronts)
