"""Commands that benchmarks run: Ctrl-C reaches them too, and they clean up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = """
import signal, sys, threading
from pathlib import Path
try:
    Path(sys.argv[1], "began").touch()
    signal.pause()
except KeyboardInterrupt:
    threading.Event().wait(1)  # As long as servers and browsers take to end.
    Path(sys.argv[1], "cleaned").touch()
"""
BENCHMARK = """
import sys
from benchmarks.commands import run_python
run_python(*sys.argv[1:])
"""


def test_an_interrupted_command_cleans_up(tmp_path: Path) -> None:
    """After Ctrl-C the command of a benchmark ends as it wants, and then the benchmark."""
    words = [sys.executable, "-c", BENCHMARK, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL) as benchmark:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "began").exists():
                assert benchmark.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(benchmark.pid, signal.SIGINT)  # As a terminal does.
            assert benchmark.wait(30) != 0
        finally:
            benchmark.kill()
    assert (tmp_path / "cleaned").exists()
