"""Search the recorded exchanges for those that meet conditions."""

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.recorder.exchange import Exchange

EVENT_PATH, CONTROL_PATH = "/api/event", "/control/"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Conditions on an exchange; None accepts any value. A token is compared case-insensitively.

    ``origins``: the request came to one of them. ``events``: its path is that of events. ``cut``: the client
    left before the body had ended; by default only complete requests are wanted. ``over``: it was answered,
    or the client has left. ``sent``: it is neither a preflight nor a control request
    of the suite.
    """

    token: bytes | None = None
    method: str | None = None
    path: str | None = None
    gone: bool | None = None
    held: bool | None = None
    answered: bool | None = None
    status: int | None = None
    origins: tuple[str, ...] | None = None
    events: bool | None = None
    cut: bool = False
    over: bool | None = None
    sent: bool | None = None

    def names(self, exchange: Exchange) -> bool:
        """Return True if an exchange meets the conditions that do not change once it is complete."""
        return (
            (self.token is None or self.token in exchange.text)
            and (self.method is None or exchange.method == self.method)
            and (self.path is None or exchange.path == self.path)
            and (self.origins is None or exchange.origin in self.origins)
            and (self.events is None or exchange.path.endswith(EVENT_PATH) is self.events)
            and (self.sent is None or is_sent(exchange) is self.sent)
        )

    def accepts(self, exchange: Exchange) -> bool:
        """Return True if an exchange that is named also meets the conditions on how it went on."""
        return (
            (self.gone is None or (exchange.gone is not None) is self.gone)
            and (self.held is None or exchange.held is self.held)
            and (self.over is None or ((exchange.gone or exchange.answered) is not None) is self.over)
            and (self.answered is None or (exchange.answered is not None) is self.answered)
            and self.status in (None, exchange.status)
        )


def is_sent(exchange: Exchange) -> bool:
    """Return True unless an exchange is a preflight or a control request of the suite."""
    return exchange.method != "OPTIONS" and not exchange.path.startswith(CONTROL_PATH)


class Search:
    """A search that reads each complete exchange once, although it is asked after every change.

    ``exchanges`` may grow; a request counts once per event in it.
    """

    def __init__(self, exchanges: Sequence[Exchange], wanted: Wanted) -> None:
        self._exchanges = exchanges
        self._wanted = wanted
        self._next = 0
        self._incomplete: list[Exchange] = []
        self._named: list[Exchange] = []

    def found(self) -> list[Exchange]:
        """Return the exchanges that meet the conditions now, in the order in which they began."""
        new = self._incomplete + list(self._exchanges[self._next :])
        self._next = len(self._exchanges)
        received = [exchange for exchange in new if self._received(exchange)]
        self._incomplete = [e for e in new if e.complete is None and e.gone is None]
        if named := [e for e in received if any(map(self._wanted.names, e.views()))]:
            self._named = sorted(self._named + named, key=lambda exchange: exchange.id)
        views = (view for exchange in self._named for view in exchange.views())
        return [view for view in views if self._wanted.names(view) and self._wanted.accepts(view)]

    def _received(self, exchange: Exchange) -> bool:
        if self._wanted.cut:
            return exchange.complete is None and exchange.gone is not None
        return exchange.complete is not None
