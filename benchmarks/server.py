"""The reference server as a process of its own, for measurements."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_LUA = Path(__file__).parents[1] / "load" / "probe.lua"
_COMMAND = (sys.executable, "-P", "-m", "reference_server", "serve")


@contextmanager
def served(
    folder: Path, *options: str, before: Sequence[str] = (), **env: str
) -> Iterator[tuple[str, psutil.Process]]:
    """Run the server on a free port with its data in ``folder``; yield its URL and process.

    ``before`` are the words of a command that runs it, such as strace. Raises SystemExit with the server's
    messages if it does not start.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "server.err").open("w") as errors:
        process = subprocess.Popen(
            [*before, *_COMMAND, "--port", "0", "--data", str(folder), *options],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit((folder / "server.err").read_text())
        server = psutil.Process(process.pid)
        [server] = server.children() if before else [server]
        yield line.removeprefix("Clickport reference server on ").split()[0], server
    finally:
        # A command such as strace ends with the server, which it does not pass the signal to.
        for each in psutil.Process(process.pid).children() if before else [process]:
            each.send_signal(signal.SIGTERM)
        process.wait(60)


def wrk(url: str, seconds: int, connections: int, bodies: Path) -> dict[str, Any]:
    """Send the lines of a file by wrk, repeatedly, as bodies of type text/plain; return its counts.

    Raises SystemExit if a request was refused or failed, and subprocess.CalledProcessError if wrk did.
    """
    words = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s", str(_LUA), "--latency"]
    headers = bodies.with_suffix(".headers")
    headers.write_text("Content-Type: text/plain\n")
    command = [*words, f"{url}/api/event", "--", str(bodies), str(headers)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counts: dict[str, Any] = json.loads(output.splitlines()[-1])
    if counts["refused"] or counts["failed"]:
        raise SystemExit(f"some requests were not acknowledged: {counts}")
    return counts
