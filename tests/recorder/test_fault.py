"""Faults on purpose: no response, a reset connection, a status; other requests are not affected."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from conformance.recorder import Recorder


@pytest.fixture(autouse=True)
def _no_fault_stays(recorder: Recorder) -> Iterator[None]:
    yield
    recorder.end_faults()


def _post(recorder: Recorder, body: bytes) -> httpx.Response:
    return httpx.post(f"{recorder.page_origin}/api/event", content=body, timeout=20)


@pytest.mark.parametrize("status", [500, 404])
def test_a_status_is_answered_to_the_token_alone(recorder: Recorder, status: int) -> None:
    """Only requests with the token get the status, and they are recorded."""
    recorder.fault(f"f-{status}", str(status))
    assert _post(recorder, f"an F-{status}".encode()).status_code == status
    assert _post(recorder, b"another").status_code == 202
    assert [e.status for e in recorder.seen(token=f"f-{status}")] == [status]


def test_a_redirect_leads_to_where_requests_are_recorded(recorder: Recorder) -> None:
    """A redirect leads to a path of the recorder, where the request is recorded."""
    recorder.fault("f-moved", "301")
    answer = _post(recorder, b"f-moved")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/elsewhere/api/event")


def test_a_cut_connection_is_an_error_for_the_client(recorder: Recorder) -> None:
    """A request whose connection is reset is recorded, and its client gets no response."""
    recorder.fault("f-cut", "reset")
    with pytest.raises(httpx.HTTPError):
        _post(recorder, b"f-cut")
    [exchange] = recorder.wait(token="f-cut")
    assert exchange.answered is None


def test_no_answer_until_the_fault_ends(recorder: Recorder) -> None:
    """A hanging request is answered when the fault ends; meanwhile others are answered."""
    recorder.fault("f-hang", "hang")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_post, recorder, b"f-hang")
        recorder.wait(token="f-hang", held=True)
        assert _post(recorder, b"meanwhile").status_code == 202
        assert not answer.done()
        recorder.end_faults()
        assert answer.result(timeout=20).status_code == 202
