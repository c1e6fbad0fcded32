"""The health of a worker: can it accept events, and does ClickHouse answer?"""

import logging
import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from clickhouse_connect.driver.exceptions import ClickHouseError

from reference_server.delivery.outbox import StoreUnavailable
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.storage.client import Clients

PATIENCE_SECONDS = 0.9
"""Seconds to wait for ClickHouse; clients of the health often wait for no more than one."""

_LOG = logging.getLogger(__name__)


class ClickHouseHealth:
    """The health of ClickHouse, each shard included, asked for on a thread that may hang without a caller."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._thread = ThreadPoolExecutor(1, "health")
        self._lock = threading.Lock()
        self._asked: Future[None] | None = None

    def answers(self) -> bool:
        """Return True if ClickHouse answers within PATIENCE_SECONDS.

        A question that still waits is not asked again.
        """
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._thread.submit(self._clients.answers)
            asked = self._asked
        try:
            asked.result(PATIENCE_SECONDS)
        except TimeoutError:
            _LOG.warning("ClickHouse does not answer within %g s", PATIENCE_SECONDS)
            return False
        except (ClickHouseError, OSError, ValueError) as error:
            _LOG.warning("ClickHouse does not answer: %s", error)
            return False
        return True


def problems(outbox: OwnOutbox | None) -> list[str]:
    """Return the reasons why events cannot be accepted."""
    try:
        if outbox:
            outbox.probe()
    except sqlite3.Error as error:
        return [f"the outbox cannot be written: {error}"]
    except StoreUnavailable as error:
        return [str(error)]
    return []
