"""Observe the target under load: delay until rows are visible, backlog, and memory of its processes."""

import os
import re
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

import httpx
import psutil

from conformance.load.journal import clock
from conformance.load.stored import Stored
from conformance.protocol.outcomes import TargetUnavailable

_PENDING = re.compile(rb"^clickport_events_pending (\S+)$", re.MULTILINE)
# The pause between two queries is three times the duration of a query: the readback is busy for at most a
# quarter of the time.
_SHARE, _LEAST_SECONDS = 3, 0.05
_METRICS_SECONDS = 1.0
_TIMEOUT_SECONDS = 5.0
# The most events that are followed at the same time.
_FOLLOWED = 400


class Monitor:
    """Two threads: one queries the readback for rows, the other reads the server's metrics and memory.

    ``visible`` is called with the time of an acknowledgement and an upper bound of the seconds until its row
    was visible; ``figures`` once a second with the number of events that wait and the megabytes held by the
    server's processes, each None if unknown.
    """

    def __init__(
        self,
        url: str,
        stored: Stored | None,
        *,
        visible: Callable[[float, float], None],
        figures: Callable[[float | None, float | None], None],
    ) -> None:
        self._stored = stored
        self._visible = visible
        self._figures = figures
        parts = urlsplit(url)
        self._metrics: str | None = f"{parts.scheme}://{parts.netloc}/metrics"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._followed: dict[str, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=target.__name__, daemon=True)
            for target in (self._look_for_rows, self._look_at_server)
        ]
        self.problem = ""

    def follow(self, nonce: str, moment: float) -> None:
        """Follow an event that was acknowledged at ``moment`` to its row, unless 400 are followed already."""
        with self._lock:
            if self._stored and len(self._followed) < _FOLLOWED:
                self._followed[nonce] = moment

    def unseen(self) -> int:
        """Return the number of followed events without a visible row."""
        with self._lock:
            return len(self._followed)

    def wait_for_rows(self, seconds: float) -> None:
        """Wait up to ``seconds`` for the rows of all followed events."""
        deadline = clock() + seconds
        while self.unseen() and clock() < deadline and not self._end.wait(_LEAST_SECONDS):
            pass

    def _look_for_rows(self) -> None:
        wait = _LEAST_SECONDS
        while self._stored and not self._end.wait(wait):
            with self._lock:
                followed = dict(self._followed)
            if not followed:
                wait = _LEAST_SECONDS
                continue
            began = clock()
            try:
                seen = self._stored.seen(followed, min(followed.values()))
            except (
                TargetUnavailable
            ) as error:  # The failure may be temporary: `await_rows` raises if it is not.
                self.problem, seen = str(error), set()
            now = clock()
            for nonce in seen & set(followed):
                self._visible(followed[nonce], now - followed[nonce])
            with self._lock:
                for nonce in seen:
                    self._followed.pop(nonce, None)
            wait = max(_LEAST_SECONDS, _SHARE * (now - began))

    def _look_at_server(self) -> None:
        processes = _listeners(self._port)
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            ended = False
            while not ended:
                ended = self._end.wait(_METRICS_SECONDS)
                self._figures(self._pending(http), _megabytes(processes))

    def _pending(self, http: httpx.Client) -> float | None:
        if self._metrics is None:
            return None
        try:
            response = http.get(self._metrics)
        except httpx.HTTPError:
            return None
        match = _PENDING.search(response.content)
        if not match:  # The server has no such metric: stop asking.
            self._metrics = None
            return None
        return float(match[1])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS)


def _listeners(port: int) -> list[psutil.Process]:
    try:
        connections = psutil.net_connections("tcp")
        pids = {
            c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid
        }
        # The front of several servers is a thread of this process.
        return [psutil.Process(pid) for pid in pids - {os.getpid()}]
    except psutil.Error:  # Not permitted for this user.
        return []


def _megabytes(processes: list[psutil.Process]) -> float | None:
    try:
        return round(sum(process.memory_info().rss for process in processes) / 1e6, 1) if processes else None
    except psutil.Error:
        return None
