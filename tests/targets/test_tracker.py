"""Loading of trackers under test."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets import load_tracker
from conformance.targets.server import server_by_command

SCRIPT = "/* caf\xe9 */\r\n(function () {})();\0".encode("latin-1")


def test_file_is_read_byte_for_byte(tmp_path: Path) -> None:
    """A file is read byte for byte, including line ends and bytes that are not UTF-8."""
    place = tmp_path / "tracker.js"
    place.write_bytes(SCRIPT)
    assert load_tracker(str(place)) == SCRIPT


def test_url_is_fetched_byte_for_byte(files: str) -> None:
    """A script at a URL is fetched byte for byte."""
    Path("tracker.js").write_bytes(SCRIPT)
    with server_by_command(files) as server:
        assert load_tracker(f"{server.url}/tracker.js") == SCRIPT


def test_bundled_tracker_is_the_default() -> None:
    """By default the bundled reference tracker is loaded."""
    assert b"clickport" in load_tracker(None)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing.js", "could not read the tracker missing.js: No such file"),
        (".", "could not read the tracker .: Is a directory"),
        ("empty.js", "the tracker empty.js is empty"),
    ],
)
def test_unusable_file_is_named(script: Callable[..., str], place: str, message: str) -> None:
    """A file that is missing, a folder or blank is named with the reason."""
    script(" \n\t", name="empty.js")
    with pytest.raises(TargetUnavailable) as raised:
        load_tracker(place)
    assert message in str(raised.value)


def test_missing_script_at_a_url_is_named(files: str) -> None:
    """The message about an HTTP error has the URL and the status."""
    with server_by_command(files) as server:
        url = f"{server.url}/missing.js"
        with pytest.raises(TargetUnavailable) as raised:
            load_tracker(url)
    assert f"could not fetch the tracker {url}" in str(raised.value)
    assert "404" in str(raised.value)


def test_unreachable_url_is_named() -> None:
    """An unreachable or invalid URL is named."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        for url in (f"http://127.0.0.1:{probe.getsockname()[1]}/t.js", "http://[half/t.js"):
            with pytest.raises(TargetUnavailable) as raised:
                load_tracker(url)
            assert f"could not fetch the tracker {url}" in str(raised.value)
