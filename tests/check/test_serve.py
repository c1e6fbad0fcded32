"""``clickport serve`` under a supervisor."""

import signal
import subprocess
import sys
from pathlib import Path

_SECONDS = 60


def test_a_signal_to_the_command_stops_the_server(tmp_path: Path) -> None:
    """A signal to the command's own process id shuts the server down in order."""
    words = [sys.executable, "-m", "conformance", "serve", "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert "Clickport reference server on http://127.0.0.1:" in server.stdout.readline()
        server.send_signal(signal.SIGTERM)
        assert server.wait(_SECONDS) == 0
