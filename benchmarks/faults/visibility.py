"""The time from an acknowledgement to the visible row, for events that are sent beside the load."""

import threading
import time
import uuid
from typing import Self

import httpx

from reference_server.storage.client import Clients

_EVERY_SECONDS = 0.1
SITE = "probe.example"


class Visibility:
    """Sends an event ten times a second and looks for the rows: use it as a context manager."""

    def __init__(self, url: str, clients: Clients) -> None:
        self._url = url
        self._clients = clients
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}
        self.acknowledged = 0
        # The time of each acknowledgement, and the seconds until its row was seen.
        self._seen: list[tuple[float, float]] = []
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._look)]

    def p95(self, since: float, until: float) -> float | None:
        """Return the 95th percentile for events acknowledged between two times (monotonic clock)."""
        delays = sorted(delay for moment, delay in self._seen if since <= moment < until)
        return delays[int(0.95 * (len(delays) - 1))] if delays else None

    def settle(self, seconds: float) -> int:
        """Wait for all rows; return how many are missing."""
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            time.sleep(_EVERY_SECONDS)
        return len(self._waiting)

    def stop_sending(self) -> None:
        """Send no more events."""
        self._over.set()
        self._threads[0].join()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._waiting.clear()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            id_ = uuid.uuid4().hex
            event = {"t": "e", "n": "probe", "d": SITE, "mk": ["id"], "mv": [id_]}
            try:
                answer = httpx.post(f"{self._url}/api/event", json=event, trust_env=False, timeout=5)
            except httpx.HTTPError:
                continue
            if answer.is_success:
                with self._lock:
                    self._waiting[id_] = time.monotonic()
                    self.acknowledged += 1

    def _look(self) -> None:
        where = "site_id = {site:String} AND meta_values[1] IN {ids:Array(String)}"
        query = f"SELECT meta_values[1] FROM events WHERE {where}"  # noqa: S608
        while not self._over.is_set() or self._waiting:
            time.sleep(_EVERY_SECONDS)
            with self._lock:
                ids = list(self._waiting)[:1000]
            if not ids:
                continue
            try:
                rows = self._clients.get().query(query, parameters={"site": SITE, "ids": ids}).result_rows
            except Exception:  # noqa: S112 - A shard is away: its rows are not visible.
                continue
            now = time.monotonic()
            with self._lock:
                for (id_,) in rows:
                    if (moment := self._waiting.pop(id_, None)) is not None:
                        self._seen.append((moment, now - moment))
