"""TCP links that can be cut or slowed down, and a front as a process of its own that can be killed."""

import asyncio
import sys
import threading
from functools import partial
from typing import Self

from conformance.targets.front import Front

_CHUNK = 65536


class Link:
    """Forwards connections on ``port`` to another port of this machine.

    ``cut`` swallows what is sent, without an answer, until ``heal``, which closes the connections that lost
    data. ``delay`` is in seconds, for what is sent in either direction.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._healed = asyncio.Event()
        self._healed.set()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )

    def cut(self) -> None:
        """Drop all bytes that are sent from now on."""
        self._loop.call_soon_threadsafe(self._healed.clear)

    def heal(self) -> None:
        """Forward again."""
        self._loop.call_soon_threadsafe(self._healed.set)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            far, to_far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            to_near.transport.abort()
            return
        close = partial(_abort, to_near, to_far)
        await asyncio.gather(self._carry(near, to_far, close), self._carry(far, to_near, close))
        close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, close: partial[None]
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not self._healed.is_set():
                    await self._healed.wait()
                    close()
                    return
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            close()


def _abort(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()


def main() -> None:
    """Run a front on a port until standard input ends: ``links.py PORT SERVER_PORT...``."""
    port, *servers = map(int, sys.argv[1:])
    with Front([("127.0.0.1", server) for server in servers], port):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
