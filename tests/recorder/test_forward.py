"""Forwarding between a tracker and a server, and the response if the server is down."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from conformance.recorder import Recorder

BODY = b'{"n": "\xff t-forward"}'


class _Upstream(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/base/api/event"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Upstream

    def do_POST(self) -> None:
        """Record the request and send a recognisable response."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(418)
        for name, value in (("X-Notes", "dropped: 1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")):
            self.send_header(name, value)
        if "named" in self.headers.get("X-Ask", ""):
            self.send_header("X-Place", "Zürich")
        answer = b"\x1f\x8b not gzip"
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def upstream() -> Iterator[_Upstream]:
    """Yield a server that answers 418."""
    server = _Upstream()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_request_is_passed_on(recorder: Recorder, upstream: _Upstream) -> None:
    """The server gets body and headers unchanged, at its own path and with its own Host."""
    recorder.forward(upstream.url)
    headers = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "http://shop.example", "X-Mine": "1"}
    httpx.post(f"{recorder.page_origin}/api/event", content=BODY, headers=headers)
    [(path, got, body)] = upstream.seen
    assert (path, body) == ("/base/api/event", BODY)
    assert {name: got[name] for name in headers} == headers
    assert got["Host"] == f"127.0.0.1:{upstream.server_port}"


def test_answer_is_passed_back(recorder: Recorder, upstream: _Upstream) -> None:
    """The client gets the server's status, headers and body, including repeated headers."""
    recorder.forward(upstream.url)
    response = httpx.post(f"{recorder.page_origin}/api/event", content=b"t-back")
    assert (response.status_code, response.content) == (418, b"\x1f\x8b not gzip")
    assert response.headers["X-Notes"] == "dropped: 1"
    assert response.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    [exchange] = recorder.wait(token="t-back")
    assert exchange.status == 418


def test_header_beyond_ascii_is_passed_back(recorder: Recorder, upstream: _Upstream) -> None:
    """A header value in Latin-1 is legal, if obsolete, and is passed back."""
    recorder.forward(upstream.url)
    response = httpx.post(f"{recorder.page_origin}/api/event", content=b"x", headers={"X-Ask": "named"})
    assert response.status_code == 418
    assert response.headers["X-Place"] == "Zürich"


def test_only_events_are_passed_on(recorder: Recorder, upstream: _Upstream) -> None:
    """Pages are never forwarded, nor events once forwarding has ended."""
    recorder.forward(upstream.url)
    recorder.mount("/page", b"page", "text/html")
    assert httpx.get(f"{recorder.page_origin}/page").content == b"page"
    recorder.forward(None)
    assert httpx.post(f"{recorder.page_origin}/api/event", content=b"x").status_code == 202
    assert upstream.seen == []


def test_server_that_is_down_is_502(recorder: Recorder) -> None:
    """If the server is down, the response is a 502 that the page may read, and the event is recorded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        recorder.forward(f"http://127.0.0.1:{probe.getsockname()[1]}/api/event")
        headers = {"Origin": "http://shop.example"}
        response = httpx.post(f"{recorder.page_origin}/api/event", content=b"t-down", headers=headers)
    assert response.status_code == 502
    assert "ConnectError" in response.text
    assert response.headers["Access-Control-Allow-Origin"] == "http://shop.example"
    [exchange] = recorder.wait(token="t-down")
    assert (exchange.body, exchange.status) == (b"t-down", 502)
