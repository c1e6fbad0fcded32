"""Commands of this project, run by the benchmarks as users run them."""

import subprocess
import sys
from typing import Any


def run_clickport(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run ``clickport`` with these words as ``run_python`` does."""
    return run_python("-m", "conformance", *words, **options)


def run_python(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run Python with these words and options of Popen; return its exit code and, if piped, its output.

    After Ctrl-C, wait for the command, which cleans up, and raise KeyboardInterrupt. ``subprocess.run`` would
    kill it after a quarter of a second, and its servers and browsers would be left.
    """
    command = (sys.executable, *words)
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.communicate()  # Its output must not fill the pipe.
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
