"""Client addresses: read from proxy headers, normalised, and grouped into blocks for limits."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

_LONGEST_ADDRESS = 64  # Enough for an IPv6 address with brackets, zone and port.
# The entries of our own proxies come last; a client may send any number of entries before them.
_LONGEST_LIST = 4096


def forwarded(lines: Iterable[str], proxies: int) -> str:
    """Return the entry of a list header that the first of our own ``proxies`` added, or "" if it is empty.

    Several ``lines`` of the header form one list (RFC 9110, 5.3); empty members do not count (5.6.1).
    Entries further left come from the client and are ignored. If there are fewer entries than proxies,
    the leftmost one is returned.
    """
    if not proxies:
        return ""
    text = ",".join(lines)[-_LONGEST_LIST:]
    entries = [entry for part in text.split(",") if (entry := part.strip())]
    return entries[-min(proxies, len(entries))] if entries else ""


def client_address(lines: Iterable[str], peer: str, proxies: int) -> str:
    """Return the address of the client, given the lines of ``X-Forwarded-For`` and the connection's peer.

    If the entry is not an address (for example ``unknown``), the peer is the client.
    """
    return address_of(forwarded(lines, proxies)) or address_of(peer) or peer


def address_of(text: str) -> str:
    """Return the canonical form of an IP address, without port, brackets, quotes and zone; "" if invalid.

    An IPv4 address mapped into IPv6 becomes an IPv4 address (RFC 4291, 2.5.5.2).
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

    A single IPv6 subscriber has at least a /64 (RFC 6177) and may use any address in it.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(found), 64), strict=False)) if isinstance(found, IPv6Address) else address
