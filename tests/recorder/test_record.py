"""Requests are recorded as received, and answered."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from conformance.recorder import Exchange, Recorder

Dial = Callable[[], socket.socket]


def _post(body: bytes, path: str = "/api/event", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _answer(connection: socket.socket) -> bytes:
    """Read up to the end of the headers; the responses read here have no body."""
    data = b""
    while b"\r\n\r\n" not in data:
        read = connection.recv(65_536)
        assert read, f"the connection ended after {data!r}"
        data += read
    return data


@pytest.mark.parametrize(
    "body",
    [
        b'{"n": "\xff\xfe\x80 t-bytes"}',
        b"\x00\r\n\r\nGET / HTTP/1.1\r\n t-frames",
        '{"n": "\u202e🎉 t-text"}'.encode(),
        b"t-megabyte" + b"x" * 1_000_000,
    ],
    ids=["invalid UTF-8", "line ends and NUL", "UTF-8", "a megabyte"],
)
def test_body_is_kept_byte_for_byte(recorder: Recorder, dial: Dial, body: bytes) -> None:
    """A body is recorded byte for byte."""
    connection = dial()
    connection.sendall(_post(body))
    assert _answer(connection).startswith(b"HTTP/1.1 202 ")
    token = body[body.index(b"t-") :].split(b'"')[0][:8].decode()
    [exchange] = recorder.wait(token=token)
    assert exchange.body == body


def test_chunked_body_is_put_together(recorder: Recorder, dial: Dial) -> None:
    """The body of a chunked request is the content of its chunks."""
    connection = dial()
    connection.sendall(b"POST /api/event HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"4\r\nchun\r\n7\r\nked-one\r\n0\r\n\r\n")
    _answer(connection)
    [exchange] = recorder.wait(token="chunked-one")
    assert exchange.body == b"chunked-one"


def test_request_is_kept_as_it_came(recorder: Recorder, dial: Dial) -> None:
    """Method, target, headers in their case and order, origin and times are recorded."""
    connection = dial()
    connection.sendall(_post(b"as-it-came", "/x/api/event?q=1", "X-B: 2", "x-a: 1", "X-B: 3"))
    _answer(connection)
    [exchange] = recorder.wait(token="as-it-came", path="/x/api/event")
    assert (exchange.method, exchange.target) == ("POST", "/x/api/event?q=1")
    assert exchange.headers == (
        ("Host", "a"),
        ("Content-Length", "10"),
        ("X-B", "2"),
        ("x-a", "1"),
        ("X-B", "3"),
    )
    assert (exchange.header("x-b"), exchange.header("absent")) == ("2", None)
    assert (exchange.origin, exchange.status, exchange.gone) == ("127.0.0.1", 202, None)
    assert exchange.complete
    assert exchange.answered
    assert exchange.started <= exchange.complete <= exchange.answered <= time.time()


def test_pipelined_requests_share_a_connection(recorder: Recorder, dial: Dial) -> None:
    """Requests pipelined on one connection are all answered, and share its number."""
    connection = dial()
    connection.sendall(_post(b"pipe-1") + _post(b"pipe-2"))
    first, second = recorder.wait(2, token="pipe-")
    assert (first.body, second.body) == (b"pipe-1", b"pipe-2")
    assert first.connection == second.connection
    dial().sendall(_post(b"pipe-3"))
    [third] = recorder.wait(token="pipe-3")
    assert third.connection != first.connection


def test_unfinished_request_is_no_event(recorder: Recorder, dial: Dial) -> None:
    """A request cut off within its body never counts as received."""
    connection = dial()
    connection.sendall(_post(b"cut-off-here")[:-3])
    connection.close()
    httpx.post(f"{recorder.page_origin}/api/event", content=b"cut-off-after")
    assert recorder.wait(token="cut-off-after")
    assert recorder.seen(token="cut-off-h") == []


@pytest.mark.parametrize("origin", ["page_origin", "endpoint_origin"])
def test_mounts_are_served_unchanged(recorder: Recorder, origin: str) -> None:
    """A mounted body is served byte for byte at every origin, and never cached."""
    script = bytes(range(256)) * 3
    recorder.mount("/tracker.js", script, "text/javascript")
    response = httpx.get(f"{getattr(recorder, origin)}/tracker.js?v=2")
    assert (response.status_code, response.content) == (200, script)
    assert response.headers["Content-Type"] == "text/javascript"
    assert response.headers["Cache-Control"] == "no-store"


def test_mount_is_replaced_and_others_are_missing(recorder: Recorder) -> None:
    """A path serves the body that was mounted last; an unknown path is 404."""
    recorder.mount("/page", b"old", "text/html")
    recorder.mount("/page", b"new", "text/html")
    assert httpx.get(f"{recorder.page_origin}/page").content == b"new"
    assert httpx.get(f"{recorder.page_origin}/unknown").status_code == 404


def test_two_origins(recorder: Recorder) -> None:
    """The two origins differ in host name and port, and each exchange has its own."""
    assert recorder.page_origin.startswith("http://127.0.0.1:")
    assert recorder.endpoint_origin.startswith("http://localhost:")
    for origin in (recorder.page_origin, recorder.endpoint_origin):
        httpx.post(f"{origin}/api/event", content=b"two-origins")
    found = recorder.wait(2, token="two-origins")
    assert [exchange.origin for exchange in found] == ["127.0.0.1", "localhost"]


def test_preflight_is_answered(recorder: Recorder) -> None:
    """A preflight is allowed everything that it asks for, is not cached, and is recorded."""
    asked = {
        "Origin": "http://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-mine",
    }
    response = httpx.options(f"{recorder.endpoint_origin}/pre/api/event", headers=asked)
    allowed = {k: v for k, v in response.headers.items() if k.startswith("access-control")}
    assert response.status_code == 204
    assert allowed == {
        "access-control-allow-origin": "http://shop.example",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type,x-mine",
        "access-control-max-age": "0",
    }
    assert len(recorder.wait(method="OPTIONS", path="/pre/api/event")) == 1


@pytest.mark.parametrize("sent", ["CP0AF3E", "cp0af3e", "Cp0aF3e"])
def test_token_is_found_in_any_case(recorder: Recorder, sent: str) -> None:
    """A token is found in any case, in a body and in a query, so that a changed event is not lost."""
    before = len(recorder.seen(token="cp0af3e"))
    httpx.post(f"{recorder.page_origin}/api/event", content=f'{{"n": "Signup {sent}"}}')
    httpx.get(f"{recorder.page_origin}/api/event", params={"n": sent})
    assert len(recorder.wait(before + 2, token="cp0af3e")) == before + 2


def test_wait_returns_once_enough_arrived(recorder: Recorder, dial: Dial) -> None:
    """A wait for two exchanges ends when the second one is complete; otherwise this test would time out."""
    connection = dial()
    connection.sendall(_post(b"early-1"))
    connection.sendall(_post(b"early-2")[:-1])
    assert len(recorder.wait(1, token="early-", seconds=3600)) == 1
    connection.sendall(b"2")
    assert len(recorder.wait(2, token="early-", seconds=3600)) == 2


def test_wait_gives_up(recorder: Recorder) -> None:
    """When the time is up, a wait returns the exchanges that have arrived."""
    httpx.post(f"{recorder.page_origin}/api/event", content=b"alone")
    assert [exchange.body for exchange in recorder.wait(2, token="alone", seconds=0.1)] == [b"alone"]


def test_exchange_survives_json(recorder: Recorder) -> None:
    """An exchange is equal after conversion to JSON and back; its summary is text for any body."""
    httpx.post(f"{recorder.page_origin}/api/event", content=b"json-way \xff\x00")
    [exchange] = recorder.wait(token="json-way")
    assert Exchange.from_json(exchange.to_json()) == exchange
    assert exchange.summary()["body"] == "json-way \\xff\x00"


def test_each_token_is_awaited(recorder: Recorder, dial: Dial) -> None:
    """A wait for several tokens ends when each has its number, and returns the exchanges of each."""
    connection = dial()
    for name in ("each-a", "each-b", "each-b"):
        connection.sendall(_post(name.encode()))
        _answer(connection)
    found = recorder.wait_each({"each-a": 1, "each-b": 2, "each-c": 0}, answered=True)
    assert {token: len(own) for token, own in found.items()} == {"each-a": 1, "each-b": 2, "each-c": 0}


@pytest.mark.parametrize("each", [False, True])
def test_control_requests_do_not_end_a_wait(recorder: Recorder, each: bool) -> None:
    """A wait for what was sent goes on until a request of the tracker is there, whatever arrives before."""
    origin, token = recorder.page_origin, f"awaited-late-{int(each)}"

    def wait() -> list[Exchange]:
        return recorder.wait_each({token: 1})[token] if each else recorder.wait(1, token=token, sent=True)

    httpx.options(f"{origin}/api/event?{token}")
    httpx.post(f"{origin}/control/{token}")
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(wait)
        httpx.post(f"{origin}/api/event", content=token.encode())
        assert [exchange.path for exchange in found.result()] == ["/api/event"]


def test_a_request_that_is_completed_later_is_found(recorder: Recorder, dial: Dial) -> None:
    """A wait that began before a request was complete finds it, beside those that overtook it."""
    slow, fast = dial(), dial()
    whole = _post(b"overtaken-slow")
    slow.sendall(whole[:-4])
    fast.sendall(_post(b"overtaken-fast"))
    _answer(fast)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(recorder.wait_each, {"overtaken-slow": 1, "overtaken-fast": 1})
        slow.sendall(whole[-4:])
        assert [len(own) for own in found.result().values()] == [1, 1]
