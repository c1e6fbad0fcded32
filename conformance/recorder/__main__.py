"""The recorder process: prints its origins, then answers each JSON line on stdin by one on stdout."""

import asyncio
import base64
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from conformance.recorder.connection import HttpAnswer
from conformance.recorder.mapping import MappingFault, PayloadMapping
from conformance.recorder.server import RecorderServer
from conformance.recorder.wanted import Wanted

HOSTS = ("127.0.0.1", "localhost", "[::1]")


async def _obey(recorder: RecorderServer, command: dict[str, Any]) -> Any:  # noqa: PLR0912
    match command:
        case {"op": "mount", "path": path, "type": type_, "body": body, "stored": stored, "headers": further}:
            kept = ("Cache-Control", "no-cache" if stored else "no-store")
            headers = (("Content-Type", type_), kept, *further.items())
            recorder.mounts[path] = HttpAnswer(status=200, headers=headers, body=base64.b64decode(body))
        case {"op": "forward", "url": url}:
            await recorder.forward(url)
        case {"op": "hold", "token": token}:
            recorder.hold(token.encode())
        case {"op": "release"}:
            recorder.release()
        case {"op": "release-controls"}:
            recorder.release_controls()
        case {"op": "end-hold"}:
            recorder.end_hold()
        case {"op": "fault", "token": token, "kind": kind}:
            recorder.fault(token.encode(), kind)
        case {"op": "front", "urls": urls}:
            return await recorder.front(urls)
        case {"op": "end-front", "origins": origins}:
            await recorder.end_front(origins)
        case {"op": "end-faults"}:
            recorder.end_faults()
        case {"op": "wait", "wanted": wanted, "number": number, "seconds": seconds}:
            token = wanted.pop("token", None)
            if (origins := wanted.pop("origins", None)) is not None:
                wanted["origins"] = tuple(origins)
            sought = Wanted(token=token.encode() if token else None, **wanted)
            return [e.to_json() for e in await recorder.wait(sought, number, seconds)]
        case {"op": "wait-each", "numbers": numbers, "seconds": seconds, "answered": answered}:
            sought_all = {token.encode(): number for token, number in numbers.items()}
            each = await recorder.wait_each(sought_all, seconds, answered=answered)
            return {token.decode(): [e.to_json() for e in found] for token, found in each.items()}
        case {"op": "forget"}:
            recorder.forget()
        case _:
            raise ValueError(f"unknown command: {command}")
    return None


async def _main(payload: str, protocol: str, certificate: str) -> None:
    commands = _commands()
    mapping = PayloadMapping(payload) if payload else None
    recorder = RecorderServer(mapping, protocol=protocol, certificate=certificate)
    async with recorder.listen(HOSTS) as origins:
        _print(origins)
        # stdin is closed when the parent process ends.
        while line := await commands.get():
            try:
                _print({"ok": await _obey(recorder, json.loads(line))})
            except MappingFault as fault:
                _print({"unmapped": str(fault)})
            except (ValueError, KeyError, TypeError) as error:
                _print({"error": repr(error)})


def _commands() -> "asyncio.Queue[bytes]":
    """Return a queue of the lines on stdin, with b"" at the end; a thread reads them.

    asyncio's own way, ``connect_read_pipe``, does not work with the pipe of a child process on Windows.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        rest = b""
        with suppress(RuntimeError):  # The loop has ended.
            # Not by sys.stdin: a process must be able to end while a thread waits, and its buffer has a lock.
            while chunk := os.read(sys.stdin.fileno(), 1 << 20):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, b"")

    threading.Thread(target=read, daemon=True).start()
    return lines


def _print(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Ctrl-C reaches the whole process group, but the parent still needs this process to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_main(*sys.argv[1:]))
    except BrokenPipeError:  # The parent ended before it read the answer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout at exit.
