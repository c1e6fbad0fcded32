"""The tracker lane runs without what only POSIX systems have; what needs it says so in one line."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Loaded by each Python process, also those that the command starts. Names that Python and pytest need on this
# system (SIGKILL, getuid) stay; a test below looks for them in our sources.
_SITECUSTOMIZE = """
import asyncio, os, psutil, signal, sys  # psutil has an implementation for each system.
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("chown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid",
             "getpgrp", "killpg", "mkfifo", "nice", "openpty", "posix_fadvise", "sched_getaffinity",
             "setpgid", "setsid", "statvfs", "getsid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm", "pause",
             "pthread_kill", "setitimer", "sigwait"):
    delattr(signal, name)
print("without POSIX", os.getpid(), file=open(os.environ["WITHOUT_POSIX_LOG"], "a"))
"""
CASES = (
    "wire-2-plain",
    "prop-2-31-properties",
    "api-4-submit-listener",
    "deliv-2-link-same-origin",
    "deliv-3-prerendered-page-activated",
    "prop-1-fuzz",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which Python has no POSIX names."""
    (tmp_path / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")
    log = tmp_path / "processes.log"
    return {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "WITHOUT_POSIX_LOG": str(log)}


def run(environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in that environment."""
    return subprocess.run(
        [sys.executable, "-m", "conformance", *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tracker_lane_runs(environment: dict[str, str], tmp_path: Path) -> None:
    """A handful of cases of each kind pass in Chromium, in the worker processes of --jobs, too."""
    selectors = [word for name in CASES for word in ("--only", f"tracker/{name}")]
    options = [
        "--tracker",
        str(ROOT / "tracker" / "tracker.min.js"),
        "--browser",
        "chromium",
        "--jobs",
        "2",
        "--repeat",
        "2",
    ]
    done = run(environment, tmp_path, "check", *options, "--max-examples", "30", *selectors)
    record = (tmp_path / "clickport-run.jsonl").read_text(encoding="utf-8")
    assert (done.returncode, record.count('"status": "pass"')) == (0, len(CASES)), done.stdout + done.stderr
    # The command, two workers and their recorders.
    assert len((tmp_path / "processes.log").read_text(encoding="utf-8").splitlines()) >= 5


@pytest.mark.parametrize("words", [("serve",), ("load",), ("check",)], ids=lambda words: words[0])
def test_what_needs_posix_says_so(
    environment: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """The reference server cannot run: exit code 3 and one line."""
    done = run(environment, tmp_path, *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr
    assert "needs Linux or macOS" in done.stderr


def test_names_that_python_itself_needs_are_not_used() -> None:
    """No module of the tracker lane uses SIGKILL, an asyncio pipe or a device file of POSIX."""
    folders = ("browsers", "checks", "cli", "drivers", "harness", "recorder", "results", "runner", "search")
    sources = [path for name in folders for path in sorted((ROOT / "conformance" / name).glob("*.py"))]
    banned = {"SIGKILL", "connect_read_pipe", "connect_write_pipe", "add_signal_handler", "getuid", "uname"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (name := _name(node)) in banned or name.startswith("/dev/")
    ]
    assert found == []


def _name(node: ast.AST) -> str:
    """Return the name of an attribute or the text of a string; "" for another node."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
