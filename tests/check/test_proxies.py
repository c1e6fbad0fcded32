"""Proxy variables of the environment are ignored, because all targets are on this machine."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.browsers import installed


class Proxy:
    """A listener that counts connections."""

    def __init__(self) -> None:
        self.visits = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def environment(self) -> dict[str, str]:
        """Return every variable that names a proxy, and none for exceptions."""
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
        return {**kept, **dict.fromkeys(names, self.url)}

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Yield a proxy that must get no connection."""
    proxy = Proxy()
    yield proxy
    proxy.close()


def test_no_proxy_is_asked(proxy: Proxy, tmp_path: Path) -> None:
    """The bundled server starts, and a call in each installed browser becomes a row, without the proxy."""
    words = ["check", "--jobs", "1", "--only", "pair/api-2-name-alone", "--only", "server/store-1-plain"]
    words += [word for browser in installed() for word in ("--browser", browser.name)]
    done = subprocess.run(
        [sys.executable, "-m", "conformance", *words, "--report", "json=report.json"],
        cwd=tmp_path,
        env=proxy.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert "FAIL" not in done.stdout, done.stdout
    assert "ERROR" not in done.stdout, done.stdout
    assert '"pass"' in (tmp_path / "report.json").read_text(encoding="utf-8"), done.stdout + done.stderr
    # The listener counts: without this, a count of 0 would prove nothing.
    assert proxy.visits == 0
    socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))).close()
