"""A running recorder, and ways to speak to it byte by byte."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from conformance.recorder import Recorder

SECONDS = 10


@pytest.fixture(scope="module")
def shared() -> Iterator[Recorder]:
    """A recorder process, started once for the tests of a file."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def recorder(shared: Recorder) -> Iterator[Recorder]:
    """A recorder that holds and forwards nothing."""
    yield shared
    shared.end_hold()
    shared.forward(None)


@pytest.fixture
def dial(recorder: Recorder) -> Iterator[Callable[[], socket.socket]]:
    """Open connections to the recorder; they are closed at the end."""
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        port = urlsplit(recorder.page_origin).port
        opened.append(socket.create_connection(("127.0.0.1", port or 0), timeout=SECONDS))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
