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

    @property
    def path(self) -> str:
        """The request target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, whatever its case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def to_json(self) -> dict[str, Any]:
        """Plain data; the body is Base64 because it need not be text."""
        return {**asdict(self), "body": base64.b64encode(self.body).decode("ascii")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of ``to_json``."""
        headers = tuple((k, v) for k, v in data["headers"])
        return cls(**{**data, "headers": headers, "body": base64.b64decode(data["body"])})

    def summary(self) -> dict[str, Any]:
        """What a report shows of it."""
        shown = replace(self, body=b"").to_json()
        for name in ("id", "body", "connection"):
            del shown[name]
        return {**shown, "body": self.body.decode("utf-8", "backslashreplace")}
