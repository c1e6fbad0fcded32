"""Output of a command, and answers of a URL, that end in time and are no larger than rows ever are."""

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence

from conformance import processes
from conformance.protocol.outcomes import TargetUnavailable

SECONDS = 15.0
"""Seconds that a readback may take: as many as a row may take to be seen."""

LARGEST = 256_000_000


def output_of(words: Sequence[str], name: str) -> bytes:
    """Run a command to its end and return its output. Raises TargetUnavailable, always so without POSIX.

    If the command does not end by itself, its whole process group is killed: a child that holds the output
    open must not keep the run waiting.
    """
    if not processes.is_posix():
        raise TargetUnavailable(f"{name} {processes.NEEDS_POSIX}; use --readback-url or --clickhouse")
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise TargetUnavailable(f"{name}: {error}") from error
        with process:
            try:
                output = _read(process, name)
            except BaseException:
                processes.kill(process)
                raise
        if process.returncode:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - 500))
            tail = errors.read().decode("utf-8", "replace").strip()
            raise TargetUnavailable(f"{name} ended with exit code {process.returncode}: {tail}")
        return output


def within_bounds(chunks: Iterable[bytes], name: str) -> bytes:
    """Return an answer that comes in pieces. Raises TargetUnavailable if it is too long or too late."""
    parts, size, deadline = [], 0, time.monotonic() + SECONDS
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        _require_bounds(size, deadline - time.monotonic(), name)
    return b"".join(parts)


def _read(process: "subprocess.Popen[bytes]", name: str) -> bytes:
    """Read until the command closes its output, and wait for its end."""
    assert process.stdout
    parts, size, deadline = [], 0, time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            if not (chunk := os.read(process.stdout.fileno(), 1 << 20)):
                break
            parts.append(chunk)
            size += len(chunk)
            _require_bounds(size, deadline - time.monotonic(), name)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _require_bounds(size, 0, name)
    return b"".join(parts)


def _require_bounds(size: int, left: float, name: str) -> None:
    if size > LARGEST:
        raise TargetUnavailable(
            f"{name} gave more than {LARGEST // 1_000_000} MB: let it tell the rows since {{since}} alone"
        )
    if left <= 0:
        raise TargetUnavailable(f"{name} did not end within {SECONDS:g} s: it must print the rows and end")
