"""Wait, after a load, until no more of the acknowledged events can be expected to be stored."""

import time

import httpx

from conformance.harness.instruments import LATE_ROW_SECONDS
from conformance.load.journal import clock
from conformance.load.mix import EventGenerator, RequestKind
from conformance.load.stored import Stored
from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.protocol.outcomes import TargetUnavailable

SENTINEL = "sentinel"
"""The sender name in the nonce of the last event, which is sent after the load."""

_POLL_SECONDS, _SHARE = 0.1, 3
_TIMEOUT_SECONDS = 30.0


def await_rows(
    stored: Stored, url: str, generator: EventGenerator, *, domain: str, expected: int, patience: float
) -> float:
    """Send a sentinel, wait for it and for more than ``expected`` rows, and return the seconds that took.

    Late rows are waited for while their number grows. The wait ends when it has not grown for ``patience``
    seconds, or for ``LATE_ROW_SECONDS`` if the sentinel is stored. The readback may be unavailable for up to
    ``patience`` seconds. Raises TargetUnavailable.
    """
    started = time.monotonic()
    sentinel = _send(url, generator, domain, patience)
    since = clock()
    number, grown = -1, time.monotonic()
    seen = False
    while True:
        asked = time.monotonic()
        try:
            rows = stored.count()
            seen = seen or sentinel in stored.seen([sentinel], since)
        except TargetUnavailable:
            if time.monotonic() - grown > patience:
                raise
            time.sleep(_POLL_SECONDS)
            continue
        now = time.monotonic()
        if rows != number:
            number, grown = rows, now
        complete = seen and rows > expected
        if complete or now - grown > (min(patience, LATE_ROW_SECONDS) if seen else patience):
            return (grown if rows > expected else now) - started
        time.sleep(max(_POLL_SECONDS, _SHARE * (now - asked)))


def _send(url: str, generator: EventGenerator, domain: str, patience: float) -> str:
    """Send events until one is acknowledged, as a full server may refuse some; return its nonce.

    Raises TargetUnavailable if none is acknowledged within ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        request = next(drawn for drawn in generator.visit() if drawn.kind is RequestKind.EVENT)
        try:
            response = httpx.post(
                url,
                content=request.body,
                headers=with_browser_headers({"Content-Type": TEXT}, domain),
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
            problem = f"answered {response.status_code}"
            if response.is_success:
                return generator.nonce_of(request)
        except httpx.HTTPError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise TargetUnavailable(f"{url} accepted no event for {patience:g} s after the load: {problem}")
        time.sleep(_POLL_SECONDS)
