"""One request as it reached a socket, and what became of its connection."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self


@dataclass(kw_only=True)
class Exchange:
    """A request and its connection. Times are seconds since the epoch; None: it did not happen.

    ``gone`` is when the client closed the connection while its request had no answer yet; ``held`` tells
    that the recorder kept the answer back. ``followed`` marks a request that followed a redirect of ours.

    ``events`` are the events that a foreign tracker's request carries, as JSON of the documented fields; None
    where nothing is mapped. In the view of one of them ``body`` is that event and ``raw`` what was received.
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

    @property
    def path(self) -> str:
        """The request target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, whatever its case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def carries(self, token: bytes) -> bool:
        """Whether a token, in lower case, is in the body or in an event of it."""
        texts = (self.body,) if self.events is None else self.events
        return any(token in text.lower() for text in texts)

    def views(self) -> "tuple[Exchange, ...]":
        """The request once for each event in it: itself, where nothing is mapped."""
        if self.events is None:
            return (self,)
        return tuple(replace(self, body=event, raw=self.body, events=None) for event in self.events)

    def to_json(self) -> dict[str, Any]:
        """Plain data of a view; bodies are Base64 because they need not be text."""
        data = {
            **asdict(self),
            "body": _text(self.body),
            "raw": None if self.raw is None else _text(self.raw),
        }
        del data["events"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of ``to_json``."""
        headers = tuple((k, v) for k, v in data["headers"])
        raw = None if data["raw"] is None else base64.b64decode(data["raw"])
        return cls(**{**data, "headers": headers, "body": base64.b64decode(data["body"]), "raw": raw})

    def summary(self) -> dict[str, Any]:
        """What a report shows of it."""
        shown = replace(self, body=b"", raw=None).to_json()
        for name in ("id", "body", "raw", "connection"):
            del shown[name]
        bodies = {"body": self.body} if self.raw is None else {"body": self.body, "raw": self.raw}
        return {**shown, **{name: body.decode("utf-8", "backslashreplace") for name, body in bodies.items()}}


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode("ascii")
