"""The front of several servers: connections in turn, past servers that are away, bytes unchanged."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.front import Front

SECONDS = 20.0


class Echo:
    """A server that answers its name and everything that it was sent, once the sender has ended."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.place = ("127.0.0.1", int(self._listening.getsockname()[1]))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                sent = b""
                while data := connection.recv(65536):
                    sent += data
                connection.sendall(self._name + sent)


@pytest.fixture
def servers() -> Iterator[tuple[Echo, Echo]]:
    """Two servers."""
    with ExitStack() as stack:
        one, two = Echo(b"one"), Echo(b"two")
        stack.callback(one._listening.close)
        stack.callback(two._listening.close)
        yield one, two


def ask(front: Front, text: bytes = b"") -> bytes:
    """Return what is answered to a text that ends with its connection."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=SECONDS) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_each_server_gets_every_second_connection(servers: tuple[Echo, Echo]) -> None:
    """Four connections reach both servers twice, with all bytes of a large body."""
    body = bytes(range(256)) * 2000
    with Front([server.place for server in servers]) as front:
        answers = [ask(front, body) for _ in range(4)]
    assert sorted(answers) == sorted(2 * [b"one" + body, b"two" + body])


def test_a_server_that_is_away_is_passed_over(servers: tuple[Echo, Echo]) -> None:
    """All connections reach the other server; with none, they are closed without an answer."""
    one, two = servers
    with Front([one.place, two.place]) as front:
        one.close()
        assert [ask(front), ask(front)] == [b"two", b"two"]
        two.close()
        assert ask(front) == b""


def test_a_port_in_use_is_named(servers: tuple[Echo, Echo]) -> None:
    """The message has the port."""
    port = servers[0].place[1]
    with pytest.raises(TargetUnavailable, match=f"port {port}"):
        Front([servers[1].place], port)
