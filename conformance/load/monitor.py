"""Looks at the target while it is loaded: how soon rows are visible, what waits, how much memory is held."""

import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import psutil

from conformance.load.journal import clock
from conformance.load.stored import Stored
from conformance.protocol.outcomes import TargetUnavailable

_PENDING = re.compile(rb"^clickport_events_pending (\S+)$", re.MULTILINE)
# Visibility is asked for again after three times as long as the answer took: a quarter of the time at most.
_SHARE, _LEAST_SECONDS = 3, 0.05
_METRICS_SECONDS = 1.0
_TIMEOUT_SECONDS = 5.0
# So many events are followed at a time; what becomes visible is followed by others.
_FOLLOWED = 400


class Monitor:
    """Two threads: one asks for rows, the other for the server's own figures.

    ``visible`` is called with the moment of an acknowledgement and the seconds until the row was there, at
    most; ``figures`` with what waits and the megabytes that the server's processes hold, None if unknown.
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
        """Look out for the row of an event that was acknowledged at ``moment``, unless many are followed."""
        with self._lock:
            if self._stored and len(self._followed) < _FOLLOWED:
                self._followed[nonce] = moment

    def unseen(self) -> int:
        """How many of those followed have no row yet."""
        with self._lock:
            return len(self._followed)

    def wait_for_rows(self, seconds: float) -> None:
        """Give those that are followed so many seconds more to be seen."""
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
            except TargetUnavailable as error:  # Away for a moment, perhaps: the end of the run will tell.
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
        found = _PENDING.search(response.content)
        if not found:  # A server without such figures is asked once.
            self._metrics = None
            return None
        return float(found[1])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS)


def _listeners(port: int) -> list[psutil.Process]:
    try:
        connections = psutil.net_connections("tcp")
        pids = {
            c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid
        }
        return [psutil.Process(pid) for pid in pids]
    except psutil.Error:  # Not everybody may look.
        return []


def _megabytes(processes: list[psutil.Process]) -> float | None:
    try:
        return round(sum(process.memory_info().rss for process in processes) / 1e6, 1) if processes else None
    except psutil.Error:
        return None
