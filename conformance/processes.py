"""Ends of processes with all their children, on every system; and what needs a POSIX system."""

import os
import signal
import subprocess
from contextlib import suppress

NEEDS_POSIX = "needs Linux or macOS: this system has no process groups, file locks or fork"
"""The end of the one line by which a command that cannot run on this system says so."""


def is_posix() -> bool:
    """Return True if this system has process groups, as Linux and macOS do."""
    return hasattr(os, "killpg")


def terminate(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process started with ``start_new_session``, and its children, to end; ignore it if it has ended.

    Without process groups only the process itself ends, at once.
    """
    with suppress(ProcessLookupError):
        if is_posix():
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process started with ``start_new_session``, and its children, at once; ignore it if it has ended.

    Without process groups (Windows) the system's ``taskkill`` ends the children.
    """
    with suppress(ProcessLookupError):
        if is_posix():
            os.killpg(process.pid, signal.SIGKILL)
            return
        with suppress(OSError):
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False
            )
        process.kill()
