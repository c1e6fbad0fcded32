"""Headers that a page's script set on a request, told from those that browsers add (WIRE-5)."""

from collections.abc import Iterable, Iterator

# Scripts cannot set these: https://fetch.spec.whatwg.org/#forbidden-request-header
_FORBIDDEN = {
    *("accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method"),
    *("access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date"),
    *("dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer"),
    *("transfer-encoding", "upgrade", "via"),
}
_FORBIDDEN_FAMILIES = ("proxy-", "sec-")
# These need no preflight: https://fetch.spec.whatwg.org/#cors-safelisted-request-header
_SAFELISTED = {"accept", "accept-language", "content-language", "range"}
_SAFELISTED_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
# Browsers add these, too: for their cache and its settings, as client hints, for services of their own.
_ADDED = {
    *("alt-used", "cache-control", "device-memory", "downlink", "dpr", "ect", "if-modified-since"),
    *("if-none-match", "pragma", "priority", "purpose", "rtt", "save-data", "upgrade-insecure-requests"),
    *("user-agent", "viewport-width", "width", "x-client-data"),
}
_PSEUDO = ":"  # HTTP/2 begins `:authority`, `:path`, … with it.


def own_headers(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the headers that only a script can have set and that cost a preflight, each name once.

    Of a header that browsers add as well, such as Cache-Control, only a preflight tells who set it.
    """
    seen = set()
    for name, value in headers:
        key = name.lower()
        if key not in seen and _is_own(key, value):
            seen.add(key)
            yield name, value


def _is_own(key: str, value: str) -> bool:
    if key == "content-type":
        return value.partition(";")[0].strip().lower() not in _SAFELISTED_TYPES
    known = key in _FORBIDDEN or key in _SAFELISTED or key in _ADDED
    return not known and not key.startswith((*_FORBIDDEN_FAMILIES, _PSEUDO))
