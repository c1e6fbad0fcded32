"""What became of an event's requests while their page was left, in milliseconds from the call."""

import re
from collections.abc import Sequence
from typing import Any

from conformance.recorder.exchange import Exchange

_CALLED = re.compile(r"[?&]called=(\d{13})\b")


def timeline(events: Sequence[Exchange], controls: Sequence[Exchange]) -> dict[str, Any] | None:
    """Lay out the moments of the requests as plain data; None when nothing arrived.

    ``controls`` are plain requests of our own, made in the same task: the first one's target tells when the
    call was made (``?called=`` and the page's clock, which is this machine's), and its end is the page's. An
    engine may give it up unsent; then moments count from the first byte, and the page's end is unknown.
    """
    exchanges = [*events, *controls]
    if not exchanges:
        return None
    told = _CALLED.search(controls[0].target) if controls else None
    first = min(exchange.started for exchange in exchanges)
    # A browser's clock may be a little coarse; nothing arrives before it is sent.
    zero = min(int(told[1]) / 1000, first) if told else first

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
        }

    return {
        "from": "call" if told else "first byte",
        "gone": since(controls[0].gone) if controls else None,
        "requests": [
            *(request(exchange, control=False) for exchange in events),
            *(request(exchange, control=True) for exchange in controls),
        ],
    }
