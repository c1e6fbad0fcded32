"""A connection that a client upgrades, to a WebSocket for example, carried on to the site unread.

Development servers use one to reload their pages; without it such a page would reload for ever.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

_SECONDS, _LAST_SECONDS = 30.0, 5.0
_LARGEST_ANSWER = 10_000_000
_READ = 65_536


class NotReached(Exception):
    """A site that cannot be reached, or does not answer in HTTP; the message says why."""


@dataclass(frozen=True)
class Tunnel:
    """An open connection to the site that has switched protocols; ``early`` are its first bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    early: bytes

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        """Carry bytes both ways until both sides have ended; ``early`` came from the client with its request.

        Once one has ended, the other has a few seconds.
        """
        self.writer.write(early)
        writer.write(self.early)
        ways = [
            asyncio.ensure_future(_copy(reader, self.writer)),
            asyncio.ensure_future(_copy(self.reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(ways, timeout=_LAST_SECONDS)
        finally:
            for way in ways:
                way.cancel()
            self.close()

    def close(self) -> None:
        """Close the connection to the site."""
        self.writer.close()


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """The site's answer to a request that asks for another protocol; ``tunnel`` is None if it refused."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tunnel: Tunnel | None


def wants_upgrade(headers: Iterable[tuple[str, str]]) -> bool:
    """Return True if a request with these headers asks for another protocol (RFC 9110, section 7.8)."""
    given = {name.lower(): value.lower() for name, value in headers}
    return "upgrade" in given and "upgrade" in given.get("connection", "")


async def upgrade(origin: str, target: str, headers: Mapping[str, str], *, verify: bool) -> Upgrade:
    """Send a GET request to an origin of the site as it is, and return the answer. Raises NotReached."""
    parts = urlsplit(origin)
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        if not verify:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    port = parts.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
            try:
                return await _ask(reader, writer, target, {**headers, "Host": parts.netloc})
            except BaseException:
                writer.close()
                raise
    except (OSError, h11.RemoteProtocolError, h11.LocalProtocolError, TimeoutError) as error:
        raise NotReached(f"{type(error).__name__}: {error}") from error


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, headers: Mapping[str, str]
) -> Upgrade:
    http = h11.Connection(h11.CLIENT)
    given = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    writer.write(http.send(h11.Request(method=b"GET", target=target.encode("latin-1"), headers=given)))
    writer.write(http.send(h11.EndOfMessage()))
    head: h11.InformationalResponse | h11.Response | None = None
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            tunnel = Tunnel(reader, writer, http.trailing_data[0])
            return Upgrade(status=101, headers=_plain(event), body=b"", tunnel=tunnel)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data) and len(body) < _LARGEST_ANSWER:
            body += event.data
        elif head:
            writer.close()
            return Upgrade(status=head.status_code, headers=_plain(head), body=bytes(body), tunnel=None)
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("the site closed the connection without an answer")


def _plain(head: h11.InformationalResponse | h11.Response) -> tuple[tuple[str, str], ...]:
    return tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in head.headers.raw_items())


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # Either side may end at any time.
        while data := await reader.read(_READ):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
