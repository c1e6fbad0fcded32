"""A site behind the recorder: events stay here, every other request is forwarded to the site.

Each origin of the site (its pages, and its endpoint if that has another origin) gets an origin of the
recorder in its place. Only these origins are replaced, in text bodies and in headers, so that links,
redirects, policies and the tracker's endpoint lead here too.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import h11
import httpx

from conformance.recorder.connection import HttpAnswer
from conformance.recorder.exchange import Exchange
from conformance.recorder.tunnel import NotReached, upgrade, wants_upgrade
from conformance.results.redaction import masked

NOT_REACHED, OWN_WORD = 502, "clickport: "
"""The status of an answer that stands for a site which cannot be reached, and the beginning of its text."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TEXT = re.compile(r"text/(?!event-stream)|application/(.*\+)?(json|javascript|xml|manifest)", re.IGNORECASE)
_POLICY = ("content-security-policy", "content-security-policy-report-only")
_SECONDS = 60.0
_NOT_SENT = {
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
}
# The last one would forbid the recorder's own, unencrypted origin.
_NOT_RETURNED = {
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "strict-transport-security",
}


def origin_of(url: str) -> str:
    """Return the origin of an http or https URL. Raises ValueError for any other text."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # A port beyond 65,535, or half of an IPv6 address.
        known = False
    if not known:
        raise ValueError(f"{masked(url)!r} is not the URL of a site: write http://… or https://…")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def in_place_of(url: str, origin: str, *, user: bool = False) -> str:
    """Return a URL with another origin; user and password stay only with ``user``, what follows always."""
    parts, here = urlsplit(url), urlsplit(origin)
    name, at, _ = parts.netloc.rpartition("@")
    netloc = f"{name}{at}{here.netloc}" if user else here.netloc
    return urlunsplit((here.scheme, netloc, parts.path or "/", parts.query, parts.fragment))


def hosts_for(urls: Iterable[str]) -> list[str]:
    """Return a loopback host name for each origin: the first keeps its own, the others are other sites."""
    first, *others = urls
    own = urlsplit(first).hostname
    host = "localhost" if own == "localhost" else "127.0.0.1"
    return [host, *(("127.0.0.1" if host == "localhost" else "localhost") for _ in others)]


@dataclass(frozen=True)
class SiteFront:
    """The origins of a site by those that stand in for them here."""

    origins: Mapping[str, str]
    client: httpx.AsyncClient

    @classmethod
    def of(cls, origins: Mapping[str, str]) -> "SiteFront":
        """Return a front; certificates of sites on this machine are not verified."""
        local = all(map(_is_local, origins.values()))
        client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False, verify=not local)
        return cls(origins, client)

    async def forward(self, exchange: Exchange) -> HttpAnswer:
        """Return the site's answer; 502 with the reason if it cannot be reached."""
        if exchange.method == "GET" and wants_upgrade(exchange.headers):
            return await self._upgraded(exchange)
        headers = [(k, self._outwards(v)) for k, v in exchange.headers if k.lower() not in _NOT_SENT]
        headers.append(("Accept-Encoding", "identity"))
        url = f"{self.origins[exchange.origin]}{exchange.target}"
        try:
            request = self.client.build_request(exchange.method, url, headers=headers, content=exchange.body)
            response = await self.client.send(request, stream=True)
            text = _TEXT.match(response.headers.get("Content-Type", "")) is not None
            body = (
                self._inwards((await response.aread()).decode("latin-1")).encode("latin-1") if text else b""
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return _not_reached(url, f"{type(error).__name__}: {error}")
        left_out = _NOT_RETURNED | ({"content-encoding"} if text else set())
        raw = ((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
        returned = tuple((k, self._header(k, v)) for k, v in raw if k.lower() not in left_out)
        chunks = None if text else _chunks(response)
        return HttpAnswer(status=response.status_code, headers=returned, body=body, chunks=chunks)

    async def _upgraded(self, exchange: Exchange) -> HttpAnswer:
        """Return the site's answer to a request for another protocol, with its connection if it agrees."""
        origin = self.origins[exchange.origin]
        headers = {k: self._outwards(v) for k, v in exchange.headers if k.lower() != "host"}
        try:
            answer = await upgrade(origin, exchange.target, headers, verify=not _is_local(origin))
        except NotReached as error:
            return _not_reached(f"{origin}{exchange.target}", str(error))
        left_out = set() if answer.tunnel else _NOT_RETURNED
        returned = tuple((k, self._header(k, v)) for k, v in answer.headers if k.lower() not in left_out)
        return HttpAnswer(status=answer.status, headers=returned, body=answer.body, tunnel=answer.tunnel)

    async def close(self) -> None:
        """Close the connections to the site."""
        await self.client.aclose()

    def _inwards(self, text: str) -> str:
        """Replace the origins of the site by those of the recorder, also where JSON escapes slashes."""
        for here, there in self._replaced():
            # Not if a longer port or host name only begins alike.
            text = re.sub(rf"{re.escape(there)}(?![\w.:-])", here, text)
            escaped = there.replace("/", "\\/")
            text = re.sub(rf"{re.escape(escaped)}(?![\w.:-])", lambda _: here.replace("/", "\\/"), text)  # noqa: B023
        return text

    def _outwards(self, text: str) -> str:
        for here, there in self._replaced():
            text = text.replace(here, there)
        return text

    def _replaced(self) -> Iterator[tuple[str, str]]:
        """Yield the origins here and at the site, each also as that of its WebSockets (ws, wss)."""
        for here, there in self.origins.items():
            yield here, there
            yield here.replace("http", "ws", 1), there.replace("http", "ws", 1)

    def _header(self, name: str, value: str) -> str:
        if name.lower() == "set-cookie":
            return _own_cookie(value)
        if name.lower() in _POLICY:
            directives = (self._directive(part) for part in value.split(";"))
            return "; ".join(filter(None, directives))
        return self._inwards(value.strip())

    def _directive(self, directive: str) -> str:
        """Return a directive of a policy that allows, beside the site's origins, those in their place."""
        words = directive.split()
        if words[:1] == ["upgrade-insecure-requests"]:
            return ""
        added = [here for here, there in self._replaced() if any(_allows(w, there) for w in words[1:])]
        return " ".join([*words, *added])


def _is_local(origin: str) -> bool:
    return urlsplit(origin).hostname in _LOOPBACK


def _not_reached(url: str, why: str) -> HttpAnswer:
    reason = f"{OWN_WORD}{url} cannot be reached: {why}"
    return HttpAnswer(
        status=NOT_REACHED, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=reason.encode()
    )


def _allows(source: str, origin: str) -> bool:
    """Return True if a source expression of a policy names an origin, by host or by wildcard."""
    scheme, _, rest = source.rpartition("://")
    parts = urlsplit(origin)
    # A source without a scheme does not allow WebSockets.
    if scheme != parts.scheme and (scheme or parts.scheme.startswith("ws")):
        return False
    host = rest.partition("/")[0]
    if host.startswith("*."):
        return (parts.hostname or "").endswith(host[1:])
    return host in (parts.netloc, parts.hostname)


def _own_cookie(value: str) -> str:
    """Return a cookie without the attributes that bind it to the site's domain or to https."""
    first, *attributes = value.split(";")
    bound = re.compile(r"\s*(domain=.*|secure|samesite=none)\s*", re.IGNORECASE)
    return ";".join([first, *(part for part in attributes if not bound.fullmatch(part))])


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes]:
    """Yield a body as it arrives. A site that breaks off breaks the answer off."""
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise h11.RemoteProtocolError(str(error)) from error
    finally:
        await response.aclose()
