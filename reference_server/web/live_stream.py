"""Live events for the live page, across all worker processes of a server.

Nothing is stored and nothing blocks: events that come faster than a person can read are left out and counted.
"""

import asyncio
import json
import os
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from reference_server.analytics.advice import remarks
from reference_server.event import EventRow, Note
from reference_server.text import plain

STREAM = "clickport.stream"
"""Key of a WSGI environment: the site whose live events follow the answer."""

_LOOK_SECONDS = 0.25
_STILL_SECONDS = 10.0
_GONE_SECONDS = 30.0
_MOST_A_SECOND = 100
_WAITING = 200
_SHOWN = 100  # Characters of a value; 60 values of them, at six bytes each, fit into a datagram.
_DATAGRAM = 60_000
_FIELDS = ("t", "n", "mk", "mv", "ra", "rc")
_END = b"end"
_JSON = json.JSONEncoder(default=str)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def shown(payload: Mapping[str, Any], row: EventRow, notes: tuple[Note, ...]) -> dict[str, Any]:
    """Return what the live page shows of an event: payload, stored row, notes and advice."""
    amount = row.revenue_source_amount
    return {
        "received": row.timestamp.isoformat(),
        "type": row.type,
        "name": _short(row.name),
        "payload": {key: _shortened(payload[key]) for key in _FIELDS if key in payload},
        "stored": {
            "meta_keys": _shortened(list(row.meta_keys)),
            "meta_values": _shortened(list(row.meta_values)),
            "revenue_source_amount": None if amount is None else plain(amount),
            "revenue_source_currency": row.revenue_source_currency,
        },
        "notes": [note.text for note in notes],
        "advice": [asdict(remark) for remark in remarks(payload, notes)],
    }


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _shortened(value: Any) -> Any:
    """Return a value of a payload, cut to the shown size; undocumented types become text."""
    if not isinstance(value, list):
        return _text(value)
    members = [_text(member) for member in value[:31]]
    return [*members, f"… ({len(value)} members)"] if len(value) > 31 else members


def _text(value: Any) -> Any:
    """Return a scalar, or the beginning of any other value as JSON.

    Only as much as is shown is written, so neither the depth nor the length of the value matters.
    """
    match value:
        case str():
            return _short(value)
        case None | bool() | float():
            return value
        case int() | Decimal():
            return value if len(str(value)) <= _SHOWN else _short(str(value))
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece[:_SHOWN]
        if len(text) > _SHOWN:
            return f"{text[:_SHOWN]}…"
    return text


def end(folder: Path) -> None:
    """End the live streams of all processes; an open one would keep its process from ending."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
        for file in folder.glob("*.json"):
            with suppress(OSError, ValueError):
                watcher = json.loads(file.read_bytes())
                outgoing.sendto(watcher["token"].encode(), ("127.0.0.1", watcher["port"]))


class LiveStream:
    """Sends events to live pages. For one event loop; processes find each other in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked = float("-inf")
        self._watchers: dict[str, list[tuple[int, bytes]]] = {}
        self._second, self._count, self._left_out = 0, 0, 0
        self._outgoing: socket.socket | None = None
        self._listening: _Listening | None = None

    def wanted(self, site: str) -> bool:
        """Return True if a live page shows the site and this second's limit allows another event."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._look()
        if site not in self._watchers:
            return False
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        self._left_out += self._count > _MOST_A_SECOND
        return self._count <= _MOST_A_SECOND

    def describe(
        self, payload: Mapping[str, Any], row: EventRow, notes: tuple[Note, ...]
    ) -> Mapping[str, Any]:
        """Return what the live page shows of an event."""
        return shown(payload, row, notes)

    def publish(self, site: str, event: Mapping[str, Any]) -> None:
        """Send an event to the processes that show its site. Never blocks and never raises."""
        left_out, self._left_out = self._left_out, 0
        message = _ENCODER.encode({"site": site, **event, "left_out": left_out})
        if len(message) > _DATAGRAM:
            message = _ENCODER.encode(
                {"site": site, **event, "payload": {}, "stored": {}, "left_out": left_out}
            )
        if self._outgoing is None:
            self._outgoing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._outgoing.setblocking(False)
        for port, token in self._watchers.get(site, ()):
            with suppress(OSError):
                self._outgoing.sendto(token + message, ("127.0.0.1", port))

    async def listen(self, site: str) -> AsyncGenerator[bytes, None]:
        """Yield the events of a site as JSON, and b"" from time to time between them.

        The first item is b"": from then on every process sends the site's events. The socket and the
        file of this process exist as long as any stream listens. Raises OSError if they cannot be
        created.
        """
        if self._listening is None:
            self._listening = _Listening(self._folder)
        listening = self._listening
        queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        try:
            listening.add(site, queue)
            # By then every process has looked again, so no later event is missed.
            await asyncio.sleep(1.2 * _LOOK_SECONDS)
            yield b""
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), _STILL_SECONDS)
                except TimeoutError:
                    yield b""
                    continue
                if event is _END:
                    return
                yield event
        finally:
            listening.remove(site, queue)
            if not listening.queues and listening is self._listening:
                self._listening = None
                listening.close()

    def close(self) -> None:
        """Close the sockets."""
        if self._outgoing:
            self._outgoing.close()
        if self._listening:
            self._listening.close()
            self._listening = None

    def _look(self) -> None:
        found: dict[str, list[tuple[int, bytes]]] = {}
        for file in self._folder.glob("*.json"):
            with suppress(OSError, ValueError):  # Removed meanwhile.
                if time.time() - file.stat().st_mtime > _GONE_SECONDS:
                    file.unlink()  # Left by a process that was killed.
                    continue
                watcher = json.loads(file.read_bytes())
                for site in watcher["sites"]:
                    found.setdefault(site, []).append((watcher["port"], watcher["token"].encode()))
        self._watchers = found


class _Listening:
    """The datagrams that this process receives, distributed to the streams of their site.

    No method awaits, so streams that begin or end at the same time share one instance.
    """

    def __init__(self, folder: Path) -> None:
        self.queues: dict[str, list[asyncio.Queue[bytes]]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._token = secrets.token_hex(16)  # Other users of the machine must not be able to inject events.
        self._file = folder / f"{os.getpid()}-{self._token[:8]}.json"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self._timer = self._loop.call_later(_STILL_SECONDS, self._stay)

    def add(self, site: str, queue: asyncio.Queue[bytes]) -> None:
        """Give a stream the events of a site. Raises OSError if other processes cannot be informed."""
        self.queues.setdefault(site, []).append(queue)
        if self._ended:
            _end(queue)
        self._write()

    def remove(self, site: str, queue: asyncio.Queue[bytes]) -> None:
        """Stop giving a stream the events of a site."""
        self.queues[site].remove(queue)
        if not self.queues[site]:
            del self.queues[site]
        with suppress(OSError):  # Then the other processes continue to send, without effect.
            self._write()

    def close(self) -> None:
        """Stop listening."""
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._file.unlink(missing_ok=True)
        self._file.with_suffix(".new").unlink(missing_ok=True)

    def _receive(self) -> None:
        """Distribute the datagrams that have arrived."""
        token = self._token.encode()
        with suppress(BlockingIOError):
            for _ in range(_WAITING):  # Then let other tasks run; the loop calls again for the rest.
                data = self._socket.recv(65_536)
                if data.startswith(token):
                    self._give(data[len(token) :])

    def _give(self, message: bytes) -> None:
        if not message:
            self._ended = True
            for queues in self.queues.values():
                for queue in queues:
                    _end(queue)
            return
        for queue in self.queues.get(json.loads(message)["site"], ()):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(message)

    def _stay(self) -> None:
        """Announce periodically, with or without events, that this process is alive."""
        self._timer = self._loop.call_later(_STILL_SECONDS, self._stay)
        with suppress(OSError):  # The next announcement may succeed.
            self._write()

    def _write(self) -> None:
        if not self.queues:
            self._file.unlink(missing_ok=True)
            return
        announcement = json.dumps(
            {"port": self._socket.getsockname()[1], "token": self._token, "sites": [*self.queues]}
        )
        fresh = self._file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(announcement)
        fresh.replace(self._file)


def _end(queue: asyncio.Queue[bytes]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(_END)
