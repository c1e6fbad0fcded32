"""Canonical domains, and the limit on unregistered sites (WIRE-8)."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reference_server.config import Config
from reference_server.domains import host_of, path_of, punycode, site_of
from reference_server.ingest.sites import FoundSites, Sites

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MUNICH = "xn--mnchen-3ya.example"
LABEL = "a" * 63
LONGEST = f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}"
"""A domain of 253 characters."""


@pytest.mark.parametrize(
    "spelling",
    [
        "münchen.example",
        "MÜNCHEN.Example",
        "mu\u0308nchen.example",
        "münchen。example",
        "ｍünchen．example",
        "münchen.example.",
        "www.münchen.example",
        "https://user:pass@www.münchen.example:8443/preise?x=1",
        "xn--mnchen-3ya.example",
        "XN--MNCHEN-3YA.EXAMPLE.",
    ],
)
def test_a_site_has_one_name(spelling: str) -> None:
    """UTS 46: any spelling gives the name that browsers send."""
    assert site_of(spelling) == MUNICH
    assert Sites([MUNICH]).find([spelling]) == MUNICH
    assert Sites([spelling]).find([MUNICH]) == MUNICH


@pytest.mark.parametrize(
    ("spelling", "host"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("❤️.example", "xn--qei.example"),
        ("日本語.example", "xn--wgv71a119e.example"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("http://localhost:8000", "localhost"),
        ("http://[::1]:8000/", "::1"),
        ("my_shop.example", "my_shop.example"),
        ("xn--a.example", "xn--a.example"),  # ASCII, and sent by no browser.
        (LONGEST, LONGEST),
        (f"{LONGEST}.", LONGEST),
    ],
)
def test_hosts(spelling: str, host: str) -> None:
    """Known pairs of RFC 3492 and of browsers' URL parsers; addresses and local names are unchanged."""
    assert host_of(spelling) == host


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            ".",
            "..",
            "a..b",
            "http://",
            "http://[",
            "http://[::1",
            "http://[x]/",
            "//",
            "file:///x",
            "a b.example",
        ),
        *("about:blank", "http://a:b:c/", "\ud800.example", "<b>.example", "\0.example"),
        f"{LONGEST}a",
        f"{LONGEST}.a",
        f"a.{'a' * 64}.example",
        f"{'ü' * 60}.example",
        "ü." * 60 + "example",
        "\ufdfa" * 100 + ".example",
        "a" * 100_000,
        "\u0344" * 100_000,
    ],
    ids=lambda address: ascii(address[:20]),
)
def test_what_dns_cannot_hold_is_no_host(address: str) -> None:
    """RFC 1035: 253 characters, 63 per label; longer names give "" without an exception."""
    assert host_of(address) == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@example("ü" * 40)
@example("中a国b中c国")
def test_punycode_is_that_of_python(label: str) -> None:
    """RFC 3492: the result equals that of Python's slower codec."""
    if not label.isascii():
        assert punycode(label) == label.encode("punycode").decode()


@given(st.text(max_size=300) | st.text("ü.[]:@/a\u0300\ufdfa", max_size=300))
def test_no_address_is_a_fault(address: str) -> None:
    """A host is canonical or empty."""
    host = host_of(address)
    assert ":" in host or host_of(host) == host
    assert len(host) <= 253
    path_of(address)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.example/x/y?z#f", "/x/y"),
        ("https://a.example", ""),
        ("https://a.example?x=/y", ""),
        ("https://a.example/#/route", "/"),
        ("/pricing?x", "/pricing"),
        ("http://[broken", ""),
        ("", ""),
    ],
)
def test_paths(url: str, path: str) -> None:
    """A path excludes query and fragment, whatever the host is."""
    assert path_of(url) == path


def test_unregistered_sites_are_limited(tmp_path: Path) -> None:
    """Two sites are admitted, by any process, and remain; a third is refused."""
    with closing(FoundSites(tmp_path, most=2)) as one, closing(FoundSites(tmp_path, most=2)) as other:
        assert one.admit("a.example", NOW)
        assert other.admit("b.example", NOW)
        assert not one.admit("c.example", NOW)
        assert not other.admit("c.example", NOW)
        assert one.admit("b.example", NOW)
        assert other.admit("a.example", NOW)
    with closing(FoundSites(tmp_path, most=2)) as later:
        assert [later.admit(f"{name}.example", NOW) for name in "abc"] == [True, True, False]


def test_sites_of_other_nodes_count(tmp_path: Path) -> None:
    """Sites that ClickHouse has are known here, and the limit includes them."""
    with closing(FoundSites(tmp_path, most=3)) as one, closing(FoundSites(tmp_path, most=3)) as other:
        assert one.admit("a.example", NOW)
        one.learn(["a.example", "b.example", "c.example"])
        for found in (one, other):
            assert [found.admit(f"{name}.example", NOW) for name in "abcd"] == [True, True, True, False]


@pytest.mark.parametrize(
    ("variable", "text"), [("CLICKPORT_SITES", "a.example, my site"), ("CLICKPORT_QUOTA", "http://[=5")]
)
def test_a_setting_that_names_no_domain_is_reported(variable: str, text: str) -> None:
    """Ignored, it would accept every site or give every site the quota."""
    env = {"CLICKHOUSE_URL": "http://x", "CLICKPORT_STATE": "s", variable: text}
    with pytest.raises(ValueError, match=f"{variable}.* is not a domain name"):
        Config.from_env(env)


def test_sites_and_quotas_are_registered_by_one_name() -> None:
    """UTS 46: settings use the form in which events are stored."""
    env = {
        **{"CLICKHOUSE_URL": "http://x", "CLICKPORT_STATE": "s"},
        **{"CLICKPORT_SITES": "www.münchen.example, B.example", "CLICKPORT_QUOTA": "MÜNCHEN.example=5"},
    }
    config = Config.from_env(env)
    assert (config.sites, config.quota) == ((MUNICH, "b.example"), {MUNICH: 5})
