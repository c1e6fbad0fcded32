"""Runs over TLS and HTTP/2: exits are judged as in the clear, and the evidence tells how requests ended."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

_CASE = "tracker/deliv-2-link-cross-origin"


@pytest.mark.parametrize(
    ("protocol", "http", "end"),
    [
        ("http1-tls", "HTTP/1.1", "its connection was closed"),
        ("http2", "HTTP/2", "its stream was reset by RST_STREAM CANCEL"),
    ],
)
def test_a_loss_over_tls(check: "Check", mine: "Implementations", protocol: str, http: str, end: str) -> None:
    """A request without keepalive ends with its page, and the evidence tells how in each protocol."""
    plain = mine.tracker("keepalive: true", "keepalive: false")
    lost = check("--tracker", plain, "--only", _CASE, "--protocol", protocol)
    [case] = [case for case in lost.report["cases"] if case["status"] != "not-run"]
    assert (lost.code, case["status"]) == (1, "fail"), lost.text
    assert f"({end} before any answer, as was that of a plain fetch beside it)" in case["detail"]
    assert f"--protocol {protocol}" in case["repro"]
    assert lost.report["run"]["protocol"] == protocol
    assert {exchange["http"] for exchange in case["received"]} == {http}


def test_a_sound_tracker_passes_over_http2(check: "Check", mine: "Implementations") -> None:
    """A sound tracker keeps its event, and all its requests came over HTTP/2 to the secure origin."""
    kept = check("--tracker", mine.tracker(), "--only", _CASE, "--protocol", "http2")
    [case] = [case for case in kept.report["cases"] if case["status"] != "not-run"]
    assert (kept.code, case["id"], case["status"]) == (0, _CASE, "pass"), kept.text
    assert {exchange["http"] for exchange in case["received"]} == {"HTTP/2"}
    assert all(exchange["origin"] == "localhost" for exchange in case["received"])
