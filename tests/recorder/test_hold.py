"""Held requests: they wait, are redirected on release, and are marked as gone if their client leaves."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from conformance.recorder import Recorder

Dial = Callable[[], socket.socket]


@pytest.fixture
def later() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool for requests that wait for their response."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def _post(recorder: Recorder, body: bytes, *, follow: bool = True) -> httpx.Response:
    return httpx.post(f"{recorder.page_origin}/api/event", content=body, follow_redirects=follow, timeout=20)


def test_held_request_follows_its_redirect(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """On release a held request is redirected (307), and the request that follows is marked."""
    recorder.hold("t-follow")
    answer: Future[httpx.Response] = later.submit(_post, recorder, b"t-follow")
    [held] = recorder.wait(token="t-follow", held=True)
    assert (held.status, held.answered, held.gone) == (None, None, None)
    assert not answer.done()
    recorder.release()
    response = answer.result(timeout=20)
    assert ([r.status_code for r in response.history], response.status_code) == ([307], 202)
    [followed] = recorder.wait(token="t-follow", held=False)
    assert (followed.target, followed.followed, followed.body) == ("/api/event?followed", True, b"t-follow")
    [first] = recorder.seen(token="t-follow", held=True)
    assert (first.status, first.followed) == (307, False)


def test_redirect_may_be_read_by_a_page(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """The redirect allows the origin of the page; otherwise a browser would drop the request."""
    recorder.hold("t-cors")
    headers = {"Origin": "http://shop.example"}
    url = f"{recorder.page_origin}/api/event"
    answer = later.submit(httpx.post, url, content=b"t-cors", headers=headers, timeout=20)
    recorder.wait(token="t-cors", held=True)
    recorder.release()
    response = answer.result(timeout=20)
    assert response.status_code == 307
    assert response.headers["Access-Control-Allow-Origin"] == "http://shop.example"


def test_client_that_leaves_is_gone(recorder: Recorder, dial: Dial) -> None:
    """If the client closes the connection while the response is held, the exchange has the time."""
    recorder.hold("t-gone")
    connection = dial()
    connection.sendall(b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nt-gone")
    [held] = recorder.wait(token="t-gone", held=True)
    assert recorder.seen(token="t-gone", gone=True) == []
    connection.close()
    [gone] = recorder.wait(token="t-gone", gone=True)
    assert gone.gone is not None
    assert gone.gone >= held.started
    assert gone.status is None


def test_reset_connection_is_gone(recorder: Recorder, dial: Dial) -> None:
    """A reset is detected like an orderly close."""
    recorder.hold("t-reset")
    connection = dial()
    connection.sendall(b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nt-reset")
    recorder.wait(token="t-reset", held=True)
    # Linger for no time: the kernel sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    assert len(recorder.wait(token="t-reset", gone=True)) == 1


def test_only_the_token_is_held(recorder: Recorder) -> None:
    """Other events are answered at once, and so are pages, even with the token in their URL."""
    recorder.hold("t-mine")
    recorder.mount("/t-mine", b"page", "text/html")
    assert _post(recorder, b"t-other").status_code == 202
    assert httpx.get(f"{recorder.page_origin}/t-mine").content == b"page"


def test_token_is_held_in_any_case(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """A request with the token in capitals is held as well."""
    recorder.hold("t-case")
    answer = later.submit(_post, recorder, b"T-CASE")
    assert len(recorder.wait(token="t-case", held=True)) == 1
    recorder.end_hold()
    assert answer.result(timeout=20).status_code == 202


def test_preflight_waits_with_its_request(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """A preflight carries no token: it is held too, and answered instead of redirected on release."""
    recorder.hold("t-pre")
    answer = later.submit(httpx.options, f"{recorder.page_origin}/held/api/event", timeout=20)
    recorder.wait(path="/held/api/event", held=True)
    recorder.release()
    assert answer.result(timeout=20).status_code == 204


def test_next_hold_lets_go_of_the_last(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """A new hold releases the requests of the previous one."""
    recorder.hold("t-first")
    answer = later.submit(_post, recorder, b"t-first", follow=False)
    recorder.wait(token="t-first", held=True)
    recorder.hold("t-second")
    assert answer.result(timeout=20).status_code == 307
    recorder.end_hold()
    assert _post(recorder, b"t-second").history == []


def test_controls_can_be_released_first(recorder: Recorder, later: ThreadPoolExecutor) -> None:
    """The suite's own request is redirected while the event's is still held; both are over in the end."""
    recorder.hold("t-ordered")
    event = later.submit(_post, recorder, b"t-ordered event")
    control = later.submit(
        httpx.post, f"{recorder.page_origin}/control/t", content=b"t-ordered control", follow_redirects=True
    )
    assert len(recorder.wait(2, token="t-ordered", held=True)) == 2
    recorder.release_controls()
    assert [answer.status_code for answer in control.result(timeout=20).history] == [307]
    [waiting] = recorder.seen(token="t-ordered", over=False)
    assert (waiting.body, event.done()) == (b"t-ordered event", False)
    recorder.release()
    assert event.result(timeout=20).status_code == 202
    assert len(recorder.seen(token="t-ordered", over=True)) == 4
