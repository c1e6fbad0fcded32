"""Reserve of connections for new clients, whatever the open ones do.

granian accepts a limited number of connections and leaves the rest in the kernel's queue, so clients that
keep all of them open would lock out everyone else. granian does not list its connections; the process finds
them among its own descriptors.
"""

import asyncio
import logging
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from heapq import heapify, heappop, heapreplace
from pathlib import Path

from reference_server.addresses import address_of, block_of

_DESCRIPTORS = Path("/dev/fd")
_LOOK_SECONDS, _LOOK_AGAIN_SECONDS = 0.25, 0.1
_YOUNG_SECONDS = 0.25
_OTHER_DESCRIPTORS = 256  # Of a worker process: databases, ClickHouse, event loop, live streams.
_LOG = logging.getLogger(__name__)


def peer_name(host: str, port: int | str) -> str:
    """Return the name of a connection: the canonical address of its peer, and the port."""
    return f"{address_of(host) or host} {port}"


class Connections:
    """Keeps a quarter of ``limit`` connections free by closing those of the address that has the most.

    The oldest connections are closed first: at once while the server waits for a request, its headers or
    its body, and otherwise after the answer (by ``Connection: close``). Live streams are not closed.
    Addresses are counted by ``block_of``. A connection whose peer does not acknowledge data for
    ``seconds`` is dropped.
    """

    def __init__(self, *, limit: int, seconds: float) -> None:
        self._most = limit - max(limit // 4, 1)
        self._seconds = seconds
        self._answering: set[str] = set()
        self._streaming: set[str] = set()
        self._closing: set[str] = set()
        self._since: dict[str, float] = {}
        self._lets_vanished_go = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start monitoring the connections of this process."""
        if not _DESCRIPTORS.is_dir():
            _LOG.error("%s is missing: surplus idle connections cannot be closed", _DESCRIPTORS)
            return
        self._look(loop)

    @contextmanager
    def answering(self, peer: str) -> Iterator[None]:
        """Protect a connection while a request that has been read completely is answered."""
        self._answering.add(peer)
        try:
            yield
        finally:
            self._answering.discard(peer)

    @contextmanager
    def streaming(self, peer: str) -> Iterator[None]:
        """Protect the connection of a live stream; ``Streams`` limits their number."""
        self._streaming.add(peer)
        try:
            yield
        finally:
            self._streaming.discard(peer)

    def closes(self, peer: str) -> bool:
        """Return True if the connection must close after the answer to this peer."""
        return peer in self._closing

    def descriptor(self, peer: str) -> int | None:
        """Return the descriptor of a connection, or None."""
        return next((fd for name, fd in _connections() if name == peer), None)

    def break_off(self, peer: str) -> None:
        """Shut down a connection, so that its client notices that an answer is not complete."""
        if (number := self.descriptor(peer)) is not None:
            _shut(number, peer)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        seconds = _LOOK_SECONDS
        if not self._lets_vanished_go:  # granian begins to listen some time after it has called ``start``.
            self._lets_vanished_go = self.let_vanished_peers_go()
        # Counting descriptors is cheap; they are only examined if there are many.
        with suppress(OSError):
            if sum(1 for _ in os.scandir(_DESCRIPTORS)) > self._most:
                seconds = _LOOK_AGAIN_SECONDS if self._make_room() else _LOOK_SECONDS
            else:
                self._since, self._closing = {}, set()
        loop.call_later(seconds, self._look, loop)

    def _make_room(self) -> bool:
        """Close surplus connections, and return True if there were any."""
        now = time.monotonic()
        found = dict(_connections())
        self._since = {peer: self._since.get(peer, now) for peer in found}
        self._closing = set()
        number = len(found) - self._most
        for peer in surplus({peer: self._since[peer] for peer in found.keys() - self._streaming}, number):
            if peer in self._answering:
                self._closing.add(peer)
            elif now - self._since[peer] >= _YOUNG_SECONDS:  # The connection had time to send a request.
                _shut(found[peer], peer)
        return number > 0

    def let_vanished_peers_go(self) -> bool:
        """Set the timeout of a connection whose peer acknowledges nothing; return True if a socket listens.

        Connections inherit it from the listening socket; those that were accepted before are given it. A peer
        that loses power or network does not announce it.
        """
        option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only; other systems have their own.
        own = {connection.getsockname()[1] for connection, _ in _tcp_sockets() if _listens(connection)}
        for connection, _ in _tcp_sockets():
            if option and connection.getsockname()[1] in own:
                connection.setsockopt(socket.IPPROTO_TCP, option, int(1000 * self._seconds))
        return bool(own)


def _listens(connection: socket.socket) -> bool:
    return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def affordable(connections: int) -> int:
    """Return how many of these connections have descriptors, after raising the limit of this process."""
    wanted = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return max(enough - _OTHER_DESCRIPTORS, 1)


def surplus(since: Mapping[str, float], number: int) -> list[str]:
    """Return up to ``number`` connections, each the oldest of the block that then has the most."""
    blocks: dict[str, list[str]] = {}
    for peer in sorted(since, key=since.__getitem__, reverse=True):
        blocks.setdefault(block_of(peer.partition(" ")[0]), []).append(peer)
    heap = [(-len(peers), block) for block, peers in blocks.items()]
    heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < number:
        block = heap[0][1]
        chosen.append(blocks[block].pop())
        heapreplace(heap, (-len(blocks[block]), block)) if blocks[block] else heappop(heap)
    return chosen


class Streams:
    """Counts open live streams, at most ``most``, and ``most_by_address`` per client (0 for no limit)."""

    def __init__(self, *, most: int, most_by_address: int) -> None:
        self._most = most
        self._most_by_address = most_by_address
        self._open: Counter[str] = Counter()

    def refused(self, address: str) -> tuple[int, str] | None:
        """Return status and reason if a client may not open another stream now, or else None."""
        if self._most_by_address and self._open[block_of(address)] >= self._most_by_address:
            return 429, f"this address has {self._most_by_address} live streams already: close one"
        if self._open.total() >= self._most:
            return 503, f"the server has {self._most} live streams already: try again later"
        return None

    @contextmanager
    def opened(self, address: str) -> Iterator[None]:
        """Count a stream for a with block."""
        block = block_of(address)
        self._open[block] += 1
        try:
            yield
        finally:
            self._open[block] -= 1
            self._open += Counter()  # Removes zero counts.


def _tcp_sockets() -> Iterator[tuple[socket.socket, int]]:
    """Yield the TCP sockets of this process with their descriptors, each valid until the next."""
    with os.scandir(_DESCRIPTORS) as entries:
        numbers = [int(entry.name) for entry in entries]
    for number in numbers:
        try:
            # Borrowed, not duplicated: the process may be running out of descriptors.
            borrowed = socket.socket(fileno=number)
        except OSError:
            continue  # Not a socket, or closed meanwhile.
        try:
            if borrowed.family in (socket.AF_INET, socket.AF_INET6) and borrowed.type == socket.SOCK_STREAM:
                yield borrowed, number
        finally:
            borrowed.detach()


def _connections() -> Iterator[tuple[str, int]]:
    """Yield name and descriptor of each connection that this process has accepted."""
    ports, others = set(), []
    for connection, number in _tcp_sockets():
        with suppress(OSError):  # Closed meanwhile.
            port = connection.getsockname()[1]
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                ports.add(port)
            else:
                others.append((port, peer_name(*connection.getpeername()[:2]), number))
    yield from ((name, number) for port, name, number in others if port in ports)


def _shut(number: int, peer: str) -> None:
    """Shut down a connection, unless its descriptor belongs to another one by now."""
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as own:
        if peer_name(*own.getpeername()[:2]) == peer:
            own.shutdown(socket.SHUT_RDWR)
