"""Client addresses: proxy headers, canonical forms, and blocks for limits."""

import pytest

from reference_server.addresses import address_of, block_of, client_address, forwarded

PEER = "198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "lines", "expected"),
    [
        (0, ["192.0.2.1"], PEER),
        (1, [], PEER),
        (1, [""], PEER),
        (1, ["192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.9, 192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.9", "192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.9", "192.0.2.8 ,192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.1", ""], "192.0.2.1"),
        (1, ["192.0.2.1,", " , \t,"], "192.0.2.1"),
        (2, ["192.0.2.9", "192.0.2.1", "203.0.113.2"], "192.0.2.1"),
        (2, ["192.0.2.9", "192.0.2.1, 203.0.113.2"], "192.0.2.1"),
        (2, ["192.0.2.9", "192.0.2.1,,", ",203.0.113.2"], "192.0.2.1"),
        (3, ["192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.1:4711"], "192.0.2.1"),
        (1, ['"[2001:db8::1]:4711"'], "2001:db8::1"),
        (1, ["[2001:DB8:0:0::1]"], "2001:db8::1"),
        (1, ["unknown"], PEER),
        (1, ["192.0.2.9", "_hidden"], PEER),
        (1, ["192.0.2.9" + " " * 100 + ","], "192.0.2.9"),
        (1, ["192.0.2.9," * 100_000 + "192.0.2.1"], "192.0.2.1"),
        (1, ["," * 400_000, "192.0.2.1"], "192.0.2.1"),
    ],
)
def test_the_client_is_the_one_before_the_first_of_our_proxies(
    proxies: int, lines: list[str], expected: str
) -> None:
    """RFC 9110, 5.3 and 5.6.1: all lines form one list without empty members, which ends with our entries."""
    assert client_address(lines, PEER, proxies) == expected


def test_other_lists_are_read_alike() -> None:
    """The same holds for every list header; without proxies it is ignored."""
    assert forwarded(["http", "https"], 1) == "https"
    assert forwarded(["https, http"], 2) == "https"
    assert forwarded(["https"], 0) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::FFFF:c000:0201]:80", "192.0.2.1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("", ""),
        ("unknown", ""),
        ("[", ""),
        ("]:80", ""),
        ("192.0.2.1.5", ""),
        ("192.0.2.1" * 1000, ""),
        ("stats.example:80", ""),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str) -> None:
    """RFC 5952 for IPv6; an invalid address gives ""."""
    assert address_of(text) == expected


def test_limits_count_a_subscriber_once() -> None:
    """A block is an IPv4 address or a /64 of IPv6; text that is not an address is unchanged."""
    assert block_of("192.0.2.1") == "192.0.2.1"
    assert block_of("2001:db8:0:1::1") == block_of("2001:db8:0:1:ffff::2")
    assert block_of("2001:db8:0:1::1") != block_of("2001:db8:0:2::1")
    assert block_of("") == ""
