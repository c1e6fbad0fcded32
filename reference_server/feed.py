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
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from reference_server.clickhouse.schema import EventRow
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


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A piece of the documentation's advice, and the rule it comes from (LINT-4, LINT-5)."""

    rule: str
    text: str


def shown(payload: Mapping[str, Any], row: EventRow, notes: tuple[str, ...]) -> dict[str, Any]:
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
        "notes": list(notes),
        "advice": [asdict(remark) for remark in _remarks(payload, notes)],
    }


def _remarks(payload: Mapping[str, Any], notes: tuple[str, ...]) -> list[Remark]:
    found = []
    if "ra" in payload and (isinstance(payload["ra"], bool) or not isinstance(payload["ra"], int | Decimal)):
        text = "Pass the amount as a number, 49.99, without a currency symbol; the currency is rc."
        found.append(Remark(rule="LINT-4", text=text))
    if any("cut to" in note or "properties:" in note for note in notes):
        text = "What is beyond the limits is lost silently: 30 properties, 2,000 characters a value."
        found.append(Remark(rule="LINT-5", text=text))
    return found


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


class Feed:
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

        The first is nothing: from there on every process knows that somebody looks.
        """
        if self._listening is None:
            self._listening = await _Listening.start(self._folder)
        queue = self._listening.add(site)
        try:
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
            self._listening.remove(site, queue)

    def close(self) -> None:
        """Let go of the sockets."""
        if self._outgoing:
            self._outgoing.close()
        if self._listening:
            self._listening.close()

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


class _Listening(asyncio.DatagramProtocol):
    """The datagrams that this process gets, given out to those who look."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.json"
        self._token = secrets.token_hex(16)  # Other users of the machine must not write into the page.
        self._port = 0
        self._transport: asyncio.BaseTransport | None = None
        self._queues: dict[str, list[asyncio.Queue[bytes]]] = {}
        self._ended = False

    @classmethod
    async def start(cls, folder: Path) -> "_Listening":
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        folder.mkdir(parents=True, exist_ok=True)
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: cls(folder), local_addr=("127.0.0.1", 0)
        )
        protocol._port = transport.get_extra_info("sockname")[1]
        protocol._stay(loop)
        return protocol

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        """Give a message to everybody who looks at its site."""
        token = self._token.encode()
        if not data.startswith(token):
            return
        message = data[len(token) :]
        if not message:
            self._ended = True
            for queue in chain(*self._queues.values()):
                _end(queue)
            return
        for queue in self._queues.get(json.loads(message)["site"], ()):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(message)

    def add(self, site: str) -> asyncio.Queue[bytes]:
        """Let somebody look at a site."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        if self._ended:
            _end(queue)
        self._queues.setdefault(site, []).append(queue)
        self._write()
        return queue

    def remove(self, site: str, queue: asyncio.Queue[bytes]) -> None:
        """Nobody reads this queue any more."""
        self._queues[site].remove(queue)
        if not self._queues[site]:
            del self._queues[site]
        self._write()

    def close(self) -> None:
        """Listen no longer."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what has to be closed."""
        self._transport = transport

    def _stay(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say again and again that this process lives, however many events come or do not."""
        self._write()
        loop.call_later(_STILL_SECONDS, self._stay, loop)

    def _write(self) -> None:
        if not self._queues:
            self._file.unlink(missing_ok=True)
            return
        told = json.dumps({"port": self._port, "token": self._token, "sites": list(self._queues)})
        fresh = self._file.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(told)
        fresh.replace(self._file)


def _end(queue: asyncio.Queue[bytes]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(_END)
