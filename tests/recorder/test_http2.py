"""The recorder over TLS and over HTTP/2: streams, their ends, and who is trusted."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import httpx
import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded

from conformance.recorder import Recorder, write_certificate

_SECONDS = 10
# The initial flow control window of a client that changes no setting (RFC 9113, section 6.9.2).
_WINDOW = 65_535


@dataclass(frozen=True)
class _Encrypted:
    """A recorder over TLS, a context of clients that trust its certificate only, and its HTTP version."""

    recorder: Recorder
    trust: ssl.SSLContext
    spoken: str


@pytest.fixture(scope="module", params=["http1-tls", "http2"])
def encrypted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Encrypted]:
    """Yield a recorder for each protocol over TLS."""
    with _encrypted(request.param, tmp_path_factory) as encrypted:
        yield encrypted


@pytest.fixture(scope="module")
def http2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Encrypted]:
    """Yield a recorder over HTTP/2."""
    with _encrypted("http2", tmp_path_factory) as encrypted:
        yield encrypted


@contextmanager
def _encrypted(protocol: str, folders: pytest.TempPathFactory) -> Iterator[_Encrypted]:
    certificate = folders.mktemp(protocol) / "certificate.pem"
    write_certificate(certificate)
    context = ssl.create_default_context(cafile=str(certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # The authority's own certificate is not kept.
    spoken = {"http1-tls": "HTTP/1.1", "http2": "HTTP/2"}[protocol]
    with Recorder(protocol=protocol, certificate=str(certificate)) as recorder:
        yield _Encrypted(recorder, context, spoken)


def _client(encrypted: _Encrypted) -> httpx.Client:
    return httpx.Client(http2=True, verify=encrypted.trust, timeout=_SECONDS, trust_env=False)


class _Http2Client:
    """A client that sends frames one by one."""

    def __init__(self, encrypted: _Encrypted) -> None:
        self._place = urlsplit(encrypted.recorder.endpoint_origin)
        encrypted.trust.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", self._place.port or 0), timeout=_SECONDS)
        self.socket = encrypted.trust.wrap_socket(
            plain, server_hostname=self._place.hostname, suppress_ragged_eofs=False
        )
        self._events: list[Event] = []
        self.http = H2Connection()
        self.http.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def request(self, method: str, path: str, body: bytes = b"", *, whole: bool = True) -> int:
        stream = self.http.get_next_available_stream_id()
        place = {":scheme": "https", ":authority": self._place.netloc, ":path": path}
        self.http.send_headers(stream, [(":method", method), *place.items()])
        self.http.send_data(stream, body, end_stream=whole)
        self.flush()
        return stream

    def post(self, body: bytes, *, whole: bool = True) -> int:
        return self.request("POST", "/api/event", body, whole=whole)

    def receive(self, kinds: type[Event] | tuple[type[Event], ...], stream: int) -> Event:
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, kinds) and getattr(event, "stream_id", None) == stream:
                    return event
            data = self.socket.recv(65_536)
            assert data, "the connection ended"
            self._events += self.http.receive_data(data)


@pytest.fixture
def client(http2: _Encrypted) -> Iterator[_Http2Client]:
    """Yield a connection to the recorder over HTTP/2; no hold or fault is left afterwards."""
    client = _Http2Client(http2)
    yield client
    client.socket.close()
    http2.recorder.end_hold()
    http2.recorder.end_faults()


def test_requests_are_recorded_as_in_the_clear(encrypted: _Encrypted) -> None:
    """Method, target, headers and a body larger than a flow control window arrive."""
    recorder, body = encrypted.recorder, b"t-whole " + b"x" * 3_000_000
    with _client(encrypted) as client:
        answer = client.post(f"{recorder.endpoint_origin}/api/event?q", content=body, headers={"X-Own": "1"})
    [exchange] = recorder.wait(token="t-whole")
    assert (exchange.method, exchange.target, exchange.body) == ("POST", "/api/event?q", body)
    assert (exchange.header("x-own"), exchange.header("host")) == ("1", recorder.endpoint_origin[8:])
    assert (exchange.status, exchange.http) == (202, encrypted.spoken)
    assert (answer.status_code, answer.http_version) == (202, encrypted.spoken)


def test_certificate_is_trusted_only_by_browsers_that_got_it(encrypted: _Encrypted) -> None:
    """A client with the machine's own authorities refuses it."""
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{encrypted.recorder.page_origin}/next/page", trust_env=False)


@pytest.mark.parametrize(("kind", "status"), [("103", 200), ("304", 304), ("429", 429), ("endless", 200)])
def test_odd_answers(encrypted: _Encrypted, kind: str, status: int) -> None:
    """Each kind is answered as it says; a body without end goes on until the fault ends."""
    recorder, token = encrypted.recorder, f"t-odd-{kind}"
    url = f"{recorder.endpoint_origin}/api/event"
    with (
        recorder.failing(token, kind),
        _client(encrypted) as client,
        client.stream("POST", url, content=token.encode()) as answer,
    ):
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == ("1" if kind == "429" else None)
        assert recorder.wait(token=token, status=status)
        body = answer.iter_raw()
        if kind == "endless":
            assert next(body) == b"."
            assert not recorder.seen(token=token, answered=True)
        recorder.end_faults()
        assert b"".join(body) == b""
    assert recorder.wait(token=token, answered=True)


def test_cancelled_stream_is_distinguished(http2: _Encrypted, client: _Http2Client) -> None:
    """RST_STREAM ends its own request, with its code on record; its neighbour on the connection goes on."""
    recorder = http2.recorder
    recorder.hold("t-rst")
    cancelled, other = client.post(b"t-rst cancelled"), client.post(b"t-rst other")
    assert len(recorder.wait(2, token="t-rst", held=True)) == 2
    client.http.reset_stream(cancelled, ErrorCodes.CANCEL)
    client.flush()
    [gone] = recorder.wait(token="t-rst", gone=True)
    assert (gone.body, gone.reset, gone.status) == (b"t-rst cancelled", "CANCEL", None)
    assert gone.complete is not None
    assert gone.summary()["reset"] == "CANCEL"
    recorder.release()
    answer = client.receive(ResponseReceived, other)
    assert isinstance(answer, ResponseReceived)
    assert dict(answer.headers or [])[b":status"] == b"307"
    [kept] = recorder.wait(token="t-rst other", answered=True)
    assert (kept.reset, kept.gone, kept.connection) == ("", None, gone.connection)


def test_body_that_did_not_end_is_distinguished(http2: _Encrypted, client: _Http2Client) -> None:
    """A request that is cancelled within its body is on record as cut, and not as one that arrived."""
    recorder = http2.recorder
    stream = client.post(b"t-cut begins", whole=False)
    client.http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    client.flush()
    [cut] = recorder.wait(token="t-cut", cut=True)
    assert (cut.body, cut.complete, cut.reset) == (b"t-cut begins", None, "INTERNAL_ERROR")
    assert cut.gone is not None
    assert recorder.seen(token="t-cut") == []


def test_goaway_is_recorded(http2: _Encrypted, client: _Http2Client) -> None:
    """GOAWAY is on record with its code for each request that was open."""
    recorder = http2.recorder
    recorder.hold("t-goaway")
    client.post(b"t-goaway")
    recorder.wait(token="t-goaway", held=True)
    client.http.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
    client.flush()
    client.socket.shutdown(socket.SHUT_WR)
    [gone] = recorder.wait(token="t-goaway", gone=True)
    assert (gone.goaway, gone.reset) == ("ENHANCE_YOUR_CALM", "")


def test_reset_ends_the_connection(http2: _Encrypted, client: _Http2Client) -> None:
    """The fault ``reset`` is that of a server that crashes: all streams end, without a frame."""
    recorder = http2.recorder
    with (
        recorder.failing("t-reset", "reset"),
        socket.fromfd(client.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as below,
    ):
        below.settimeout(_SECONDS)
        client.post(b"t-reset")
        # Below TLS, whose library reports no difference between a reset and an end.
        with pytest.raises(ConnectionResetError):
            _drain(below)
    [gone] = recorder.wait(token="t-reset", gone=True)
    assert gone.status is None


def _drain(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def test_large_page_waits_for_the_window(http2: _Encrypted, client: _Http2Client) -> None:
    """A body larger than the client's flow control window stops there, and goes on once there is room."""
    http2.recorder.mount("/large", b"y" * 100_000, "text/plain")
    stream, body = client.request("GET", "/large"), b""
    while not isinstance(event := client.receive((DataReceived, StreamEnded), stream), StreamEnded):
        assert isinstance(event, DataReceived)
        body += event.data or b""
        if len(body) == _WINDOW:
            client.http.increment_flow_control_window(_WINDOW)
            client.http.increment_flow_control_window(_WINDOW, stream)
            client.flush()
    assert body == b"y" * 100_000


class _Chatty(BaseHTTPRequestHandler):
    """An upstream server whose answer has headers that HTTP/2 forbids, and one that is not ASCII."""

    def do_POST(self) -> None:
        """Answer with 202."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        for name, value in (("Proxy-Connection", "close"), ("TE", "gzip"), ("X-Place", "Z\xfcrich")):
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def test_upstream_answer_is_passed_on(http2: _Encrypted) -> None:
    """Headers of the server's connection are left out, all others arrive byte for byte."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chatty) as upstream:
        thread = Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        http2.recorder.forward(f"http://127.0.0.1:{upstream.server_port}/api/event")
        with _client(http2) as client:
            answer = client.post(f"{http2.recorder.endpoint_origin}/api/event", content=b"t-upstream")
        http2.recorder.forward(None)
        upstream.shutdown()
        thread.join()
    names = {name.lower() for name, _ in answer.headers.raw}
    assert (answer.status_code, names & {b"proxy-connection", b"te"}) == (202, set())
    assert (b"x-place", b"Z\xfcrich") in [(name.lower(), value) for name, value in answer.headers.raw]


def test_malformed_input_does_not_end_the_process(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """Input that is no HTTP/2, or no TLS, is dropped without a traceback; the next request is answered."""
    # A process of its own, whose error output goes to ``capfd``.
    with _encrypted("http2", tmp_path_factory) as http2:
        place = ("127.0.0.1", urlsplit(http2.recorder.page_origin).port or 0)
        http2.trust.set_alpn_protocols(["h2"])
        for junk in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 100, b""):
            with suppress(OSError), socket.create_connection(place, timeout=_SECONDS) as plain:
                plain.sendall(junk)
                plain.shutdown(socket.SHUT_WR)
                _drain(plain)
            with (
                suppress(OSError),
                socket.create_connection(place, timeout=_SECONDS) as plain,
                http2.trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
            ):
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                _drain(client)
        with _client(http2) as client:
            assert client.post(f"{http2.recorder.page_origin}/api/event", content=b"after").status_code == 202
    assert capfd.readouterr().err == ""
