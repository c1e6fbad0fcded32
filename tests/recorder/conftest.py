"""Fixtures: a running recorder, and raw connections to it."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from conformance.recorder import Recorder

SECONDS = 10


@pytest.fixture(scope="module")
def shared() -> Iterator[Recorder]:
    """Yield a recorder process, shared by the tests of a file."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def recorder(shared: Recorder) -> Iterator[Recorder]:
    """Return the recorder, with no hold, fault or forwarding active."""
    yield shared
    shared.end_hold()
    shared.forward(None)


@pytest.fixture
def dial(recorder: Recorder) -> Iterator[Callable[[], socket.socket]]:
    """Return a function that opens connections to the recorder; they are closed at the end."""
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        port = urlsplit(recorder.page_origin).port
        opened.append(socket.create_connection(("127.0.0.1", port or 0), timeout=SECONDS))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
