"""Fronts by load balancers of the system: requests in turn, past servers that are away, streams at once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets import installed_front
from conformance.targets.installed_front import FRONTS, front

SECONDS = 20.0


class Named(BaseHTTPRequestHandler):
    """Answers the port of its server, and the size of the body; a GET is a stream that does not end."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a request."""
        size = len(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"{self.connection.getsockname()[1]} {size}".encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        """Send the first part of an answer, and the second when the client has closed its side."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        self.rfile.read(1)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def servers() -> Iterator[list[ThreadingHTTPServer]]:
    """Two servers."""
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Named))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            found.append(server)
        yield found


@pytest.fixture(params=[name for name in FRONTS if name != "bundled"])
def name(request: pytest.FixtureRequest) -> str:
    """The name of a load balancer, if it is installed."""
    if not installed_front._program(request.param):
        # Set-up installs HAProxy where it may; nginx is for those who have it.
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def places(servers: list[ThreadingHTTPServer]) -> list[tuple[str, int]]:
    """Return where the servers listen."""
    return [("127.0.0.1", server.server_port) for server in servers]


def test_each_server_gets_requests_past_one_that_is_away(
    name: str, servers: list[ThreadingHTTPServer]
) -> None:
    """Requests of one connection reach both, with large bodies; once one is closed, all reach the other."""
    body = b"x" * 2_000_000
    with front(name, places(servers)) as url, httpx.Client(trust_env=False, timeout=SECONDS) as client:
        answers = [client.post(f"{url}/api/event", content=body) for _ in range(4)]
        assert {answer.status_code for answer in answers} == {202}
        expected = {f"{server.server_port} {len(body)}" for server in servers}
        assert {answer.text for answer in answers} == expected
        servers[0].shutdown()
        servers[0].server_close()
        after = [client.post(f"{url}/api/event", content=b"y") for _ in range(4)]
    assert {answer.text for answer in after} == {f"{servers[1].server_port} 1"}


def test_a_stream_is_passed_on_at_once(name: str, servers: list[ThreadingHTTPServer]) -> None:
    """The live page reads events long before the answer ends."""
    with (
        front(name, places(servers)) as url,
        httpx.stream("GET", f"{url}/api/live", trust_env=False, timeout=SECONDS) as answer,
    ):
        assert next(answer.iter_text()) == "data: first\n\n"


def test_a_port_in_use_is_named(name: str, servers: list[ThreadingHTTPServer]) -> None:
    """The server that listens there is not taken for the front."""
    port = servers[0].server_port
    with pytest.raises(TargetUnavailable, match=f"port {port}"), front(name, places(servers), port):
        pass


def test_a_front_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command that installs it."""
    monkeypatch.setattr(installed_front, "_program", lambda _: None)
    assert installed_front.default_front() == "bundled"
    with pytest.raises(TargetUnavailable, match="apt-get install nginx"), front("nginx", []):
        pass


def test_the_bundled_front_needs_nothing(servers: list[ThreadingHTTPServer]) -> None:
    """It is used where no other is installed."""
    with front("bundled", places(servers)) as url:
        assert httpx.post(url, content=b"", trust_env=False).status_code == 202
