"""The recorder process: it survives bad input, and ends with its parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from conformance.recorder import Recorder, RecorderError

Dial = Callable[[], socket.socket]
_LIMIT = 15
_PARENT = """
import sys, time
from conformance.recorder import Recorder
with Recorder() as recorder:
    print(recorder._process.pid, recorder.page_origin, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/event HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"x" * 2_000_000,
        b"POST /api/event HTTP/1.1\r\nHost: a\r\nOrigin: \xe9\r\nContent-Length: 1\r\n\r\nx",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HEAD /api/event HTTP/1.1\r\nHost: a\r\n\r\n",
        b"",
    ],
    ids=["TLS", "no HTTP", "version", "length", "chunk", "endless", "Latin-1", "CONNECT", "HEAD", "nothing"],
)
def test_malformed_request_does_not_end_the_process(
    recorder: Recorder, dial: Dial, junk: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Input that is not HTTP is refused or dropped without a traceback, and the next request is answered."""
    connection = dial()
    try:
        connection.sendall(junk)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass
    except OSError:
        pass  # A connection closed by the recorder is acceptable, too.
    assert httpx.post(f"{recorder.page_origin}/api/event", content=b"after").status_code == 202
    assert "Traceback" not in capfd.readouterr().err


def test_unknown_command_is_a_fault_of_the_suite(recorder: Recorder) -> None:
    """An unknown command is reported, and the recorder continues."""
    with pytest.raises(RecorderError, match="did not understand"):
        recorder._command(op="dance")
    assert recorder.seen(token="never-sent") == []


def test_ended_process_is_a_fault_of_the_suite() -> None:
    """A recorder that has ended raises an error; it does not look like a tracker that sent nothing."""
    with Recorder() as recorder:
        assert recorder._process
        recorder._process.kill()
        recorder._process.wait()
        with pytest.raises(RecorderError, match="process"):
            recorder.seen(token="any")


def test_process_ends_with_its_context() -> None:
    """The process ends by itself with the context, even if a request is held; it need not be killed."""
    with Recorder() as recorder:
        assert recorder._process
        process, origin = recorder._process, recorder.page_origin
        recorder.hold("t-open")
        with socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2]))) as connection:
            connection.sendall(b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nt-open")
            recorder.wait(token="t-open", held=True)
            recorder.__exit__(None, None, None)
    assert process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(origin)


def test_process_ends_when_its_parent_is_killed() -> None:
    """The recorder ends when its standard input does, even if the parent was killed."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    with parent.stdout:
        number, _, origin = parent.stdout.readline().partition(" ")
    assert httpx.post(f"{origin.strip()}/api/event", content=b"x").status_code == 202
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + _LIMIT
    while _runs(int(number)):
        assert time.monotonic() < deadline, f"process {number} still runs"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
