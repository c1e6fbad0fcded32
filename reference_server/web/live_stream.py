"""Events as they arrive, for whoever looks at the live page, whichever worker processes take and show them.

Nothing is kept, and nobody waits: what comes faster than a person could read is left out, and counted.
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
"""Key of a WSGI environment: the site whose events the answer is to go on with."""

_LOOK_SECONDS = 0.25
_STILL_SECONDS = 10.0
_GONE_SECONDS = 30.0
_MOST_A_SECOND = 100
_WAITING = 200
_SHOWN = 100  # Characters of a value: 60 of them, six bytes each, fit into a datagram.
_DATAGRAM = 60_000
_FIELDS = ("t", "n", "mk", "mv", "ra", "rc")
_END = b"end"
_JSON = json.JSONEncoder(default=str)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def shown(payload: Mapping[str, Any], row: EventRow, notes: tuple[Note, ...]) -> dict[str, Any]:
    """What the live page tells of an event: what came, what was stored, what the limits did, advice."""
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
    """Return a value of a payload as far as it is shown; what is no documented type only by its text."""
    if not isinstance(value, list):
        return _text(value)
    members = [_text(member) for member in value[:31]]
    return [*members, f"… ({len(value)} members)"] if len(value) > 31 else members


def _text(value: Any) -> Any:
    """Return a value that is no array, or the beginning of one as JSON.

    Not more of it is written than is shown: neither its depth nor its length costs anything.
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
    """Let all streams of all processes end: an open one would keep its process from ending."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
        for file in folder.glob("*.json"):
            with suppress(OSError, ValueError):
                watcher = json.loads(file.read_bytes())
                outgoing.sendto(watcher["token"].encode(), ("127.0.0.1", watcher["port"]))


class LiveStream:
    """Hands events over. For one event loop; the processes of a server find each other in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked = float("-inf")
        self._watchers: dict[str, list[tuple[int, bytes]]] = {}
        self._second, self._count, self._left_out = 0, 0, 0
        self._outgoing: socket.socket | None = None
        self._listening: _Listening | None = None

    def wanted(self, site: str) -> bool:
        """Whether anybody looks at a site, and how much has been sent in this second allows for more."""
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
        """Send an event to the processes that show its site; never waits, and never fails."""
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
        """Yield the events of a site as JSON while they arrive; nothing, now and then, while none does.

        The first is nothing: from there on every process knows that somebody looks. The socket and the file
        of this process last as long as any stream listens. Raises OSError if there can be none.
        """
        if self._listening is None:
            self._listening = _Listening(self._folder)
        listening = self._listening
        queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        try:
            listening.add(site, queue)
            # No event that comes after so long is missed: the next one makes every process look again.
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
        """Let go of the sockets."""
        if self._outgoing:
            self._outgoing.close()
        if self._listening:
            self._listening.close()
            self._listening = None

    def _look(self) -> None:
        found: dict[str, list[tuple[int, bytes]]] = {}
        for file in self._folder.glob("*.json"):
            with suppress(OSError, ValueError):  # It just went.
                if time.time() - file.stat().st_mtime > _GONE_SECONDS:
                    file.unlink()  # Of a process that was killed.
                    continue
                watcher = json.loads(file.read_bytes())
                for site in watcher["sites"]:
                    found.setdefault(site, []).append((watcher["port"], watcher["token"].encode()))
        self._watchers = found


class _Listening:
    """The datagrams that this process gets, given out to the streams of their site.

    Everything is done without a pause for other tasks, so that streams that begin or end at once share one.
    """

    def __init__(self, folder: Path) -> None:
        self.queues: dict[str, list[asyncio.Queue[bytes]]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._token = secrets.token_hex(16)  # Other users of the machine must not write into the page.
        self._file = folder / f"{os.getpid()}-{self._token[:8]}.json"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self._timer = self._loop.call_later(_STILL_SECONDS, self._stay)

    def add(self, site: str, queue: asyncio.Queue[bytes]) -> None:
        """Let a stream have the events of a site. Raises OSError if other processes cannot be told."""
        self.queues.setdefault(site, []).append(queue)
        if self._ended:
            _end(queue)
        self._write()

    def remove(self, site: str, queue: asyncio.Queue[bytes]) -> None:
        """Nobody reads this queue any more."""
        self.queues[site].remove(queue)
        if not self.queues[site]:
            del self.queues[site]
        with suppress(OSError):  # They go on sending, in vain.
            self._write()

    def close(self) -> None:
        """Listen no longer."""
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._file.unlink(missing_ok=True)
        self._file.with_suffix(".new").unlink(missing_ok=True)

    def _receive(self) -> None:
        """Give out what has come."""
        token = self._token.encode()
        with suppress(BlockingIOError):
            for _ in range(_WAITING):  # Then other tasks have their turn; the rest is told again.
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
        """Say again and again that this process lives, however many events come or do not."""
        self._timer = self._loop.call_later(_STILL_SECONDS, self._stay)
        with suppress(OSError):  # The disk may have room again the next time.
            self._write()

    def _write(self) -> None:
        if not self.queues:
            self._file.unlink(missing_ok=True)
            return
        told = json.dumps(
            {"port": self._socket.getsockname()[1], "token": self._token, "sites": [*self.queues]}
        )
        fresh = self._file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(told)
        fresh.replace(self._file)


def _end(queue: asyncio.Queue[bytes]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(_END)
