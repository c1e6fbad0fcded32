"""Timeline of an event's requests while its page is left, in milliseconds since the call."""

import re
from collections.abc import Sequence
from typing import Any

from conformance.recorder.exchange import Exchange

_CALLED = re.compile(r"[?&]called=(\d{13})\b")


def timeline(events: Sequence[Exchange], controls: Sequence[Exchange]) -> dict[str, Any] | None:
    """Return the times of the requests as plain data, or None if no request arrived.

    ``controls`` are plain requests of the suite, sent in the same task as the call. The first one gives the
    time of the call (``?called=`` in its target, by the page's clock, which is this machine's), and its end
    is taken as the end of the page. If the engine discarded it unsent, times count from the first byte
    received, and the end of the page (``gone``) is ``None``.
    """
    exchanges = [*events, *controls]
    if not exchanges:
        return None
    called = _CALLED.search(controls[0].target) if controls else None
    first = min(exchange.started for exchange in exchanges)
    # A browser's clock may be coarse; the call cannot be later than the first request.
    zero = min(int(called[1]) / 1000, first) if called else first

    def since(moment: float | None) -> float | None:
        return None if moment is None else round((moment - zero) * 1000, 1)

    def request(exchange: Exchange, *, control: bool) -> dict[str, Any]:
        return {
            "request": f"{exchange.method} {exchange.path}",
            "control": control,
            "first": since(exchange.started),
            "complete": since(exchange.complete),
            "answered": since(exchange.answered),
            "closed": since(exchange.gone),
            "status": exchange.status,
            "held": exchange.held,
            "followed": exchange.followed,
            **({"reset": exchange.reset} if exchange.reset else {}),
        }

    return {
        "from": "call" if called else "first byte",
        "gone": since(controls[0].gone) if controls else None,
        "requests": [
            *(request(exchange, control=False) for exchange in events),
            *(request(exchange, control=True) for exchange in controls),
        ],
    }
