"""Anything but a server of events: ``python hostile_server.py PORT KIND``; what it does is in ``KINDS``."""

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

_OK = b"HTTP/1.1 202 Accepted\r\n"
_MOST = 25
_requests = count(1)


def _dies() -> Iterator[bytes]:
    if next(_requests) > _MOST:
        os._exit(1)
    yield _OK + b"Content-Length: 0\r\n\r\n"


def _drip(text: bytes) -> Iterator[bytes]:
    """Send a byte now and then, always in time for who waits for the next one alone."""
    for byte in text:
        yield bytes([byte])
        time.sleep(0.5)


def _silence() -> Iterator[bytes]:
    while True:
        time.sleep(1)
        yield b""


def _continue() -> Iterator[bytes]:
    while True:
        time.sleep(0.01)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "never answers": _silence,
    "headers byte by byte": lambda: _drip(_OK + b"X: " + b"x" * 10_000),
    "body byte by byte": lambda: _drip(_OK + b"Content-Length: 10000\r\n\r\n" + b"x" * 10_000),
    "closes within the answer": lambda: iter([_OK[:15]]),
    "closes at once": lambda: iter([]),
    "resets": lambda: iter([b"RESET"]),
    "HTTP/0.9": lambda: iter([b"<html>Hello"]),
    "malformed headers": lambda: iter([_OK + b"no colon\r\n: nothing\r\n\0: x\r\n\r\n"]),
    "1xx alone": _continue,
    "redirects to itself": lambda: iter(
        [b"HTTP/1.1 302 Found\r\nLocation: /api/event\r\nContent-Length: 0\r\n\r\n"]
    ),
    "10 MB": lambda: iter([_OK + b"Content-Length: 10000000\r\n\r\n", b"x" * 10_000_000]),
    "broken gzip": lambda: iter([_OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde"]),
    "a malformed length": lambda: iter([_OK + b"Content-Length: many\r\n\r\n"]),
    "a malformed status": lambda: iter([b"HTTP/1.1 abc OK\r\n\r\n"]),
    "odd bytes": lambda: iter([_OK + b"X: \xff\xfe\r\nContent-Length: 3\r\n\r\n\xff\xfe\x00"]),
    "dies": _dies,
}


def serve(connection: socket.socket, kind: str) -> None:
    """Answer one request, or not, and close the connection."""
    with connection:
        try:
            connection.recv(1 << 20)
            for part in KINDS[kind]():
                if part == b"RESET":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                connection.sendall(part)
        except OSError:
            return


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0], sys.argv[2]), daemon=True).start()
