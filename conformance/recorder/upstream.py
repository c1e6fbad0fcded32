"""Forwarding of events to the server under test, whose answers go back to the browser."""

import asyncio

import httpx

from conformance.recorder.connection import HttpAnswer
from conformance.recorder.exchange import Exchange
from conformance.tls import trusted_authorities

_HOP_BY_HOP = {
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "transfer-encoding",
    "upgrade",
}
# Of a server's answer, which may come byte by byte, or never end.
_SECONDS, _LARGEST_ANSWER = 30.0, 10_000_000


class Upstream:
    """The URL that requests are forwarded to, and the connections to it."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False, verify=trusted_authorities())

    async def forward(self, exchange: Exchange, cors: tuple[tuple[str, str], ...]) -> HttpAnswer:
        """Return the server's answer, or 502 with the reason and the headers ``cors``."""
        headers = [(k, v) for k, v in exchange.headers if k.lower() not in _HOP_BY_HOP]
        request = self._client.build_request(
            exchange.method, self._url, headers=headers, content=exchange.body
        )
        try:
            async with asyncio.timeout(_SECONDS):
                response = await self._client.send(request, stream=True)
                body = await _beginning(response)
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, ValueError) as error:
            return HttpAnswer(status=502, headers=cors, body=repr(error).encode())
        # The raw bytes: a header need not be ASCII, and httpx guesses its encoding.
        raw = ((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
        kept = ((k, v) for k, v in raw if k.lower() not in _HOP_BY_HOP)
        return HttpAnswer(status=response.status_code, headers=tuple(kept), body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _beginning(response: httpx.Response) -> bytes:
    """Read so much of a server's answer as a page is handed; the rest is not waited for."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > _LARGEST_ANSWER:
            await response.aclose()
            break
    return b"".join(parts)
