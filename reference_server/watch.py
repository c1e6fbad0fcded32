"""Watches a server from beside it: when it is ready, and whether its ClickHouse lives."""

import http.client
import threading
import time
from collections.abc import Callable

from reference_server.clickhouse.local import LocalClickHouse

READY_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.5
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask when it listens everywhere


class Watch(threading.Thread):
    """Calls ``ready`` once the server answers, and ``end`` with a ``fault`` told when it cannot go on."""

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
        """Wait for the server, then look after ClickHouse until ``stop``."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._healthy():
            if time.monotonic() > deadline:
                return self._fail(f"the server did not answer within {READY_SECONDS:.0f} s")
            if self._dead() or self._over.wait(_POLL_SECONDS):
                return None
        self._ready()
        while not self._dead():
            if self._over.wait(_LOOK_SECONDS):
                return None
        return None

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _dead(self) -> bool:
        code = self._embedded.poll() if self._embedded else None
        if code is not None:
            self._fail(f"the embedded ClickHouse died with exit code {code}: start the server again")
        return code is not None

    def _fail(self, fault: str) -> None:
        self.fault = fault
        self._end()
