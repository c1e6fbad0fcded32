"""Which site an event belongs to."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit


@lru_cache(4096)
def host_of(address: str) -> str:
    """Return the host of a URL or of a bare domain, in lower case, without port; empty if there is none."""
    text = address.strip()
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname
    except ValueError:  # An unfinished IPv6 address, for one.
        return ""
    return (host or "").rstrip(".")


@lru_cache(4096)
def site_of(address: str) -> str:
    """Return the domain that a site is registered by: no scheme, ``www.``, port, path or slash."""
    return host_of(address).removeprefix("www.")


class Sites:
    """The registered sites; without any, every site is welcome."""

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = frozenset(filter(None, map(site_of, domains)))

    def find(self, addresses: Iterable[str]) -> str | None:
        """Return the site of the first address that names a host, or None unless it is registered."""
        site = next(filter(None, map(site_of, addresses)), None)
        return site if not self._domains or site in self._domains else None
