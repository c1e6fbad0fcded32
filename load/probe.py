"""A closed-loop load generator, used if wrk is not installed.

``python probe.py URL BODIES HEADERS SECONDS CONNECTIONS`` posts the lines of the file BODIES in turn, with
the headers in the file HEADERS, over connections that each wait for their answer. It prints the counts as a
line of JSON with the members that ``probe.lua`` prints.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit


class Probe:
    """Requests to one URL, and the counts of their answers."""

    def __init__(self, url: str, bodies: list[bytes], headers: list[str], seconds: float) -> None:
        self._parts = urlsplit(url)
        self._headers = "".join(f"{header}\r\n" for header in headers)
        self._requests = cycle([self._request(body) for body in bodies])
        self._end = time.monotonic() + seconds
        self.latencies: list[float] = []
        self.refused = self.failed = 0

    async def connection(self) -> None:
        """Send requests over one connection, one at a time, until the time is up; reconnect if it breaks."""
        while time.monotonic() < self._end:
            try:
                reader, writer = await asyncio.open_connection(self._parts.hostname, self._parts.port or 80)
                while time.monotonic() < self._end:
                    began = time.monotonic()
                    writer.write(next(self._requests))
                    if await self._status(reader) // 100 != 2:
                        self.refused += 1
                    self.latencies.append(time.monotonic() - began)
                writer.close()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.failed += 1

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
        if lengths:
            await reader.readexactly(int(lengths[0]))
        return int(lines[0].split()[1])

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self._parts.path} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n"
            f"{self._headers}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def _main(url: str, bodies: str, headers: str, seconds: float, connections: int) -> None:
    lines = Path(headers).read_text(encoding="ascii").splitlines()
    probe = Probe(url, Path(bodies).read_bytes().splitlines(), lines, seconds)
    began = time.monotonic()
    await asyncio.gather(*(probe.connection() for _ in range(connections)))
    latencies = sorted(probe.latencies) or [0.0]
    counts = {
        "answers": len(probe.latencies),
        "seconds": time.monotonic() - began,
        "refused": probe.refused,
        "failed": probe.failed,
        "p95_ms": latencies[int(len(latencies) * 0.95)] * 1000,
    }
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])))
