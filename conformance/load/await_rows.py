"""Waits, after a run, until everything that was acknowledged is stored or will not be."""

import time

import httpx

from conformance.harness.instruments import LATE_ROW_SECONDS
from conformance.load.journal import clock
from conformance.load.mix import EventGenerator, RequestKind
from conformance.load.stored import Stored
from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.protocol.outcomes import TargetUnavailable

SENTINEL = "sentinel"
"""The sender of the event that is sent after all others."""

_POLL_SECONDS, _SHARE = 0.1, 3
_TIMEOUT_SECONDS = 30.0


def settle(
    stored: Stored, url: str, sender: EventGenerator, *, domain: str, expected: int, patience: float
) -> float:
    """Send a sentinel and wait for it, and for as many rows as were acknowledged; return how long it took.

    Rows may come late as long as more of them come: it ends when for ``patience`` seconds there was none, or
    a few after the sentinel has come. Where rows are read may be away for ``patience`` seconds, too. Raises
    TargetUnavailable.
    """
    began = time.monotonic()
    sentinel = _send(url, sender, domain, patience)
    since = clock()
    number, grown = -1, time.monotonic()
    seen = False
    while True:
        asked = time.monotonic()
        try:
            found = stored.count()
            seen = seen or sentinel in stored.seen([sentinel], since)
        except TargetUnavailable:
            if time.monotonic() - grown > patience:
                raise
            time.sleep(_POLL_SECONDS)
            continue
        now = time.monotonic()
        if found != number:
            number, grown = found, now
        complete = seen and found > expected
        if complete or now - grown > (min(patience, LATE_ROW_SECONDS) if seen else patience):
            return (grown if found > expected else now) - began
        time.sleep(max(_POLL_SECONDS, _SHARE * (now - asked)))


def _send(url: str, sender: EventGenerator, domain: str, patience: float) -> str:
    """Send an event until one is acknowledged: a server may be full, and say so."""
    deadline = time.monotonic() + patience
    while True:
        shot = next(shot for shot in sender.visit() if shot.kind is RequestKind.EVENT)
        try:
            response = httpx.post(
                url,
                content=shot.body,
                headers=with_browser_headers({"Content-Type": TEXT}, domain),
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
            problem = f"answered {response.status_code}"
            if response.is_success:
                return sender.text(shot)
        except httpx.HTTPError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise TargetUnavailable(f"{url} takes no event after the load any more: {problem}")
        time.sleep(_POLL_SECONDS)
