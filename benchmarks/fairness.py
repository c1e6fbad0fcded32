"""Measure how much streams of costly requests slow down ordinary events.

Each stream is paced at 1 MB of bodies a second over connections of its own, while ordinary events are sent
one at a time. For each stream it prints the median time of the ordinary events as a multiple of their time
without the stream, and the growth of the memory of all server processes.

``--requests N`` sends N drawn requests (conformance/search/body_strategies.py) at full speed instead and
counts the answers. All traffic stays on 127.0.0.1, and the server is stopped at the end.
"""

import argparse
import http.client
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.server import served
from conformance.search.body_strategies import bodies

_RATE = 1_000_000  # Bytes a second of a stream, all connections together.
_CONNECTIONS = 4
_HEADERS = {"Content-Type": "text/plain"}
_ORDINARY = {
    **{"t": "e", "n": "Purchase", "d": "fair.example", "u": "https://fair.example/cart"},
    **{"mk": ["plan", "seats"], "mv": ["pro", "5"], "ra": 49.99, "rc": "EUR"},
}
_KEYS = ",".join(f'"k{number}"' for number in range(30))


def _thirty(value: str) -> bytes:
    return f'{{"t":"e","n":"x","d":"fair.example","mk":[{_KEYS}],"mv":[{",".join([value] * 30)}]}}'.encode()


def _filled(head: str, unit: str, tail: str, size: int = 1_000_000) -> bytes:
    return (
        f'{{"t":"e","n":"x","d":"fair.example",{head}{unit * (size // len(unit.encode()))}{tail}}}'.encode()
    )


def _named(characters: int) -> bytes:
    body = json.loads(_thirty('"v"'))
    return json.dumps({**body, "n": f"{random.random()}".ljust(characters, "n")}).encode()  # noqa: S311


def _made_up() -> bytes:
    labels = ["".join(chr(random.randint(0x4E00, 0x9FFF)) for _ in range(14)) for _ in range(3)]  # noqa: S311
    return json.dumps({**_ORDINARY, "d": ".".join(labels)}, ensure_ascii=False).encode()


_STREAMS: dict[str, Callable[[], bytes]] = {
    "ordinary events of 2 KB": lambda: json.dumps({**_ORDINARY, "mv": ["x" * 1800, "5"]}).encode(),
    "30 lists of 2,000 numbers": lambda: _thirty("[" + "1," * 1999 + "1]"),
    "30 lists of 2,000 fractions": lambda: _thirty("[" + "1e300," * 1999 + "1]"),
    "30 deep lists": lambda: _thirty("[" + ("[" * 300 + "]" * 300 + ",") * 50 + "1]"),
    "30 values of 2,000 control characters": lambda: _thirty(json.dumps("\x01" * 2000)),
    "30 values of 2,000 lone surrogates": lambda: _thirty('"' + "\\ud800" * 2000 + '"'),
    "a list of a million characters": lambda: _filled('"mk":["k"],"mv":[', "[],", "1]"),
    "an unknown member of a megabyte": lambda: _filled('"x":[', "1.5,", "1]"),
    "long integers": lambda: _filled('"mk":["k"],"mv":[' + "9" * 5000 + ",", "1,", "1]"),
    "names of 10,000 characters": lambda: _named(10_000),
    "names of 40,000 characters": lambda: _named(40_000),
    "made-up domains in Unicode": _made_up,
}


@dataclass
class _Sent:
    """The counts of the answers and the sent bytes of several senders."""

    statuses: Counter[int] = field(default_factory=Counter)
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, status: int, size: int) -> None:
        """Count an answer to a body of ``size`` bytes."""
        with self.lock:
            self.statuses[status] += 1
            self.bytes += size


class _Sender:
    """One connection to the server, reopened if it is closed."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self._address, timeout=60)

    def post(self, body: bytes, **headers: str) -> int:
        """Send a request and return the status of its answer."""
        self._connection.request("POST", "/api/event", body, {**_HEADERS, **headers})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _memory(process: psutil.Process) -> tuple[float, float]:
    """Return the memory of all processes of a server, and that of its ClickHouse, in MB."""
    processes = [process, *process.children(recursive=True)]
    sizes = [(one.memory_info().rss / 1e6, "clickhouse" in " ".join(one.cmdline())) for one in processes]
    return sum(size for size, _ in sizes), sum(size for size, of_clickhouse in sizes if of_clickhouse)


def _stream(url: str, make: Callable[[], bytes], ends: float, sent: _Sent) -> None:
    """Send bodies until ``ends`` at this connection's share of the rate, or as fast as answers allow."""
    sender, begun, size = _Sender(url), time.monotonic(), 0
    while time.monotonic() < ends:
        body = make()
        sent.count(sender.post(body), len(body))
        size += len(body)
        time.sleep(max(0.0, min(ends, begun + size * _CONNECTIONS / _RATE) - time.monotonic()))


def _ordinary(url: str, seconds: float) -> list[float]:
    """Send ordinary events one at a time for ``seconds`` and return the milliseconds of each."""
    sender, ends, took = _Sender(url), time.monotonic() + seconds, []
    body = json.dumps(_ORDINARY).encode()
    while time.monotonic() < ends:
        begun = time.perf_counter()
        if (status := sender.post(body)) != 202:
            raise SystemExit(f"an ordinary event got status {status}, expected 202")
        took.append(1000 * (time.perf_counter() - begun))
        time.sleep(0.002)
    return took


def _fairness(url: str, process: psutil.Process, seconds: float, only: str) -> bool:
    _ordinary(url, seconds)  # Warm-up.
    fair, before = True, _memory(process)
    _print(f"{'stream':40}    alone   beside  ratio  MB/s   growth, of it ClickHouse, and answers")
    for name, make in ((name, make) for name, make in _STREAMS.items() if only in name):
        alone = statistics.median(_ordinary(url, seconds / 2))
        sent, ends = _Sent(), time.monotonic() + seconds
        threads = [
            threading.Thread(target=_stream, args=(url, make, ends, sent)) for _ in range(_CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        beside = statistics.median(_ordinary(url, seconds))
        for thread in threads:
            thread.join()
        growth, in_clickhouse = (now - then for now, then in zip(_memory(process), before, strict=True))
        fair = fair and beside < 15 * alone and growth < 250
        _print(
            f"{name:40} {alone:5.2f} ms {beside:5.2f} ms {beside / alone:6.1f} "
            f"{sent.bytes / seconds / 1e6:5.2f} {growth:5.0f} MB {in_clickhouse:5.0f} MB  "
            f"{dict(sent.statuses)}"
        )
    return fair


def _drawn(number: int, seed_: int) -> list[bytes]:
    """Return ``number`` drawn bodies, in which ``{token}`` is to be replaced for each request."""
    drawn: list[bytes] = []

    @seed(seed_)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies)
    def draw(body: object) -> None:
        drawn.append(body.data)  # type: ignore[attr-defined]

    draw()
    return drawn


def _hostile(url: str, process: psutil.Process, number: int) -> bool:
    drawn = _drawn(min(number, 3000), 1)
    sent, numbers = _Sent(), iter(range(number))
    growth, begun = [_memory(process)], time.monotonic()

    def send() -> None:
        sender = _Sender(url)
        for each in numbers:
            body = drawn[each % len(drawn)].replace(b"{token}", b"%d" % each)
            sent.count(sender.post(body, Referer="https://fair.example/"), len(body))
            if each % (number // 10 or 1) == 0:
                growth.append(_memory(process))

    threads = [threading.Thread(target=send) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    status = _Sender(url).post(json.dumps(_ORDINARY).encode())
    _print(
        f"{number} requests of {len(drawn)} kinds in {took:.0f} s: {dict(sent.statuses)}; the next: {status}"
    )
    sizes = ", ".join(f"{size:.0f} ({part:.0f})" for size, part in growth)
    _print(f"memory of all processes (and of ClickHouse), MB: {sizes}")
    return status == 202 and not any(code >= 500 for code in sent.statuses)


def main() -> int:
    """Measure; return 1 if ordinary events slowed down 15 times, memory grew by 250 MB, or a 5xx was seen."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=10, help="seconds for which each stream is sent")
    options.add_argument("--only", default="", help="send only the streams whose names contain this")
    options.add_argument("--requests", type=int, default=0, help="send this many drawn requests instead")
    given_ = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (url, process):
        if given_.requests:
            kept = _hostile(url, process, given_.requests)
        else:
            kept = _fairness(url, process, given_.seconds, given_.only)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
