"""Small scripts used as targets, and the state of their processes."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Serves the files of a folder: the rows of a readback, a tracker.
FILES = """
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from functools import partial

class Handler(SimpleHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), partial(Handler, directory=".")).serve_forever()
"""

Script = Callable[..., str]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Write a Python script into this test's folder, which is the current one, and return its command."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, *arguments: str, name: str = "script.py") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return " ".join([shlex.quote(sys.executable), name, *arguments])

    return write


@pytest.fixture
def files(script: Script) -> str:
    """Return a command that serves the files of this test's folder and accepts events."""
    return script(FILES, "{port}", name="files.py")


@pytest.fixture
def runs() -> Callable[[int], bool]:
    """Return True if a process still runs shortly after it should have ended; a zombie does not count."""

    def still(pid: int) -> bool:
        deadline = time.monotonic() + 10
        while _runs(pid):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.02)
        return False

    return still


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
