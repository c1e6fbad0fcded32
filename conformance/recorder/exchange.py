"""A request as received at a socket, with the times of its response or its end."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self


@dataclass(kw_only=True)
class Exchange:
    """A request to the recorder. Times are seconds since the epoch, or None if it did not happen.

    ``started``: the head was received; ``complete``: the body, too; ``answered``: the response was sent.
    ``gone``: the client closed the connection or cancelled the request before it was answered. ``held``: the
    recorder held the response back. ``followed``: the request followed a redirect of the recorder.

    ``http`` is the version, such as ``HTTP/2``. ``reset`` and ``goaway`` are the names of the error codes in
    the RST_STREAM and GOAWAY frames that the client sent before it was answered, such as ``CANCEL``.

    ``events`` are the events in a request of a foreign tracker, as JSON of the documented fields, or None
    without a payload module. In the view of such an event, ``body`` is the event and ``raw`` the body that
    was received.
    """

    id: int
    origin: str
    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    started: float
    body: bytes = b""
    complete: float | None = None
    answered: float | None = None
    status: int | None = None
    gone: float | None = None
    held: bool = False
    followed: bool = False
    events: tuple[bytes, ...] | None = None
    raw: bytes | None = None
    http: str = "HTTP/1.1"
    reset: str = ""
    goaway: str = ""

    @property
    def path(self) -> str:
        """The request target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return the value of the first header with this name (case-insensitive), or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    @cached_property
    def text(self) -> bytes:
        """The target and the body in lower case, of a complete exchange."""
        return b"\n".join((self.target.encode(), self.body)).lower()

    def carries(self, token: bytes) -> bool:
        """Return True if the body, or one of its events, contains a lower-case token in any case."""
        texts = (self.body,) if self.events is None else self.events
        return any(token in text.lower() for text in texts)

    def views(self) -> "tuple[Exchange, ...]":
        """Return one exchange per event in the request, or the exchange itself without a payload module."""
        if self.events is None:
            return (self,)
        return tuple(replace(self, body=event, raw=self.body, events=None) for event in self.events)

    def to_json(self) -> dict[str, Any]:
        """Return a view as plain data. Bodies are in Base64, because they need not be text."""
        data = {
            **asdict(self),
            "body": _text(self.body),
            "raw": None if self.raw is None else _text(self.raw),
        }
        del data["events"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the exchange that ``to_json`` converted."""
        headers = tuple((k, v) for k, v in data["headers"])
        raw = None if data["raw"] is None else base64.b64decode(data["raw"])
        return cls(**{**data, "headers": headers, "body": base64.b64decode(data["body"]), "raw": raw})

    def summary(self) -> dict[str, Any]:
        """Return the members that reports show, with bodies as text."""
        shown = replace(self, body=b"", raw=None).to_json()
        unsent = [name for name in ("reset", "goaway") if not shown[name]]
        for name in ("id", "body", "raw", "connection", *unsent):
            del shown[name]
        bodies = {"body": self.body} if self.raw is None else {"body": self.body, "raw": self.raw}
        return {**shown, **{name: body.decode("utf-8", "backslashreplace") for name, body in bodies.items()}}


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode("ascii")
