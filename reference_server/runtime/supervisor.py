"""Supervision of a running server: reports when it is ready, and restarts its ClickHouse."""

import logging
import threading
import time
from collections.abc import Callable

from reference_server.storage.embedded import ClickHouseError, LocalClickHouse, answers

READY_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.2
# Seconds between two attempts to restart ClickHouse, doubled each time and reset after it has run for a
# while.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_GOOD_WHILE = 60.0
_LOG = logging.getLogger(__name__)
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to ask a server on all addresses


class Supervisor(threading.Thread):
    """Calls ``ready`` when the server answers; sets ``fault`` and calls ``end`` if it does not in time.

    An embedded ClickHouse that ends is restarted. Meanwhile events are accepted and wait.
    """

    def __init__(
        self,
        *,
        address: str,
        port: int,
        embedded: LocalClickHouse | None,
        ready: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self.fault = ""
        self._address = _ANY.get(address, address)
        self._port = port
        self._embedded = embedded
        self._ready = ready
        self._end = end
        self._over = threading.Event()

    def run(self) -> None:
        """Wait for the server, then supervise ClickHouse until ``stop`` is called."""
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self._port, "/healthz", host=self._address, seconds=2):
            if time.monotonic() > deadline:
                return self._fail(f"the server did not answer within {READY_SECONDS:.0f} s")
            if self._embedded and self._embedded.poll() is not None:
                self._restart(self._embedded, _FIRST_PAUSE)
            if self._over.wait(_POLL_SECONDS):
                return None
        self._ready()
        return self._look_after(self._embedded) if self._embedded else None

    def _look_after(self, embedded: LocalClickHouse) -> None:
        pause, since = _FIRST_PAUSE, time.monotonic()
        while not self._over.wait(_LOOK_SECONDS):
            if embedded.poll() is None:
                continue
            if time.monotonic() - since > _GOOD_WHILE:
                pause = _FIRST_PAUSE
            pause, since = self._restart(embedded, pause), time.monotonic()

    def _restart(self, embedded: LocalClickHouse, pause: float) -> float:
        """Start ClickHouse, retrying until it runs or the server ends; return the next pause in seconds."""
        began = time.monotonic()
        _LOG.error(
            "the embedded ClickHouse ended (exit code %s): events are accepted and wait until it runs again",
            embedded.poll(),
        )
        embedded.stop()
        why = ""
        while not self._over.is_set():
            try:
                embedded.start(self._over)
            except ClickHouseError as error:
                if str(error) != why and not self._over.is_set():
                    why = str(error)
                    _LOG.error("the embedded ClickHouse does not start and will be retried: %s", why)
            else:
                _LOG.error("the embedded ClickHouse runs again after %.1f s", time.monotonic() - began)
                self._over.wait(pause)
                break
            self._over.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return min(2 * pause, _LONGEST_PAUSE)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    def _fail(self, fault: str) -> None:
        self.fault = fault
        self._end()
