"""Addresses of clients: read from what proxies report, in one spelling, and grouped as limits count them."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

_LONGEST_ADDRESS = 64  # An IPv6 address with brackets, zone and port fits in.
# The entries of our own proxies are the last ones; what a client puts before them may be as long as it likes.
_LONGEST_LIST = 4096


def forwarded(lines: Iterable[str], proxies: int) -> str:
    """Return the entry that the first of our own ``proxies`` added to a list header, or "" if there is none.

    Several ``lines`` of the header are one list in their order (RFC 9110, 5.3), and empty members do not
    count (5.6.1). Entries further left are the client's own and are not believed. With fewer entries than
    proxies the leftmost one counts.
    """
    if not proxies:
        return ""
    text = ",".join(lines)[-_LONGEST_LIST:]
    entries = [entry for part in text.split(",") if (entry := part.strip())]
    return entries[-min(proxies, len(entries))] if entries else ""


def client_address(lines: Iterable[str], peer: str, proxies: int) -> str:
    """Return the address of the client by the lines of ``X-Forwarded-For`` and the peer of the connection.

    An entry that is no address (``unknown``, say) does not count: the client is then the peer.
    """
    return address_of(forwarded(lines, proxies)) or address_of(peer) or peer


def address_of(text: str) -> str:
    """Return an IP address in its one spelling, without port, brackets, quotes and zone; "" if it is none.

    An IPv4 address that is mapped into IPv6 is an IPv4 address (RFC 4291, 2.5.5.2).
    """
    return _address_of(text) if len(text) <= _LONGEST_ADDRESS else ""


@lru_cache(4096)
def _address_of(text: str) -> str:
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


@lru_cache(4096)
def block_of(address: str) -> str:
    """Return the block that limits count as one client: an IPv4 address, or the /64 of an IPv6 address.

    A single IPv6 subscriber has at least a /64 (RFC 6177), that is, as many addresses as it likes.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(found), 64), strict=False)) if isinstance(found, IPv6Address) else address
