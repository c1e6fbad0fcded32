"""Requests to a target that may do anything: a whole answer in time, or the reason for its absence."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any

import httpx

from conformance.protocol.outcomes import TargetUnavailable
from conformance.tls import trusted_authorities

SECONDS = 10.0
"""Seconds that a whole answer may take, from the request to its last byte."""

_LARGEST = 1_000_000
_SILENCES = 3


class NoAnswer(Exception):
    """The target took the connection and gave no proper answer, for the reason in the text."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer; ``text`` is cut where it is longer than anybody reads."""

    status: int
    headers: httpx.Headers
    text: str

    @property
    def accepted(self) -> bool:
        """True if the status is a 2xx."""
        return self.status // 100 == 2


@dataclass
class Patience:
    """Counts requests in a row that were left without an answer, over all connections that share it."""

    silences: int = 0

    def require_answers(self, url: str) -> None:
        """Raise TargetUnavailable if so many had no answer that no other will have one."""
        if self.silences >= _SILENCES:
            raise TargetUnavailable(f"{url} left {_SILENCES} requests in a row without an answer")


class Asker:
    """Sends requests one after the other on a connection that is kept, with these headers and no others.

    httpx limits the time between two bytes alone: a target that sends one now and then would hold a run up
    for ever. So the connection is cut when the time for the whole answer is over.
    """

    def __init__(self, headers: Mapping[str, str], *, largest: int = _LARGEST) -> None:
        self._http = httpx.Client(timeout=SECONDS, trust_env=False, verify=trusted_authorities())
        # Nothing that a browser does not send: httpx names itself.
        self._http.headers.clear()
        self._http.headers.update(headers)
        self._largest = largest
        self._connection: Any = None

    def ask(
        self, method: str, url: str, *, content: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request. Raises NoAnswer, and TargetUnavailable if nothing listens."""
        late = Event()
        try:
            with (
                self._cut_after(SECONDS, late),
                self._http.stream(
                    method, url, content=content, headers=headers, extensions={"trace": self._note}
                ) as response,
            ):
                text = self._beginning(response)
        except httpx.ConnectError as error:
            raise TargetUnavailable(f"nothing answers at {url} any more: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, LookupError) as error:
            reason = f"{type(error).__name__} {error}".rstrip()
            raise NoAnswer(f"no whole answer within {SECONDS:g} s" if late.is_set() else reason) from error
        return Answer(status=response.status_code, headers=response.headers, text=text)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the connection that was made last: an httpx client on one thread has one at a time."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._connection = info["return_value"]

    @contextmanager
    def _cut_after(self, seconds: float, late: Event) -> Iterator[None]:
        def cut() -> None:
            late.set()
            with suppress(OSError, AttributeError):
                self._connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _beginning(self, response: httpx.Response) -> str:
        """Read so much of an answer as anybody looks at; the rest ends with the connection."""
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._largest:
                break
        return b"".join(parts)[: self._largest].decode("utf-8", "replace")
