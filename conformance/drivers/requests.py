"""Requests of the server lane: built from vectors and sent on one connection."""

import base64
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.protocol.matching import expand
from conformance.targets.asking import Asker, NoAnswer, Patience
from conformance.targets.throttling import Throttled

_TEXT = {"Content-Type": TEXT}
_TOO_MANY = 429
_SHOWN = 2_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to the event endpoint."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _TEXT)
    method: str = "POST"

    def curl(self, url: str) -> str | None:
        """Return the curl command for the request, or None if the body is too long or has no shell form."""
        text = self.body.decode("utf-8", "replace")
        if len(text) > _SHOWN or "\ufffd" in text or "\0" in text:
            return None
        # A header without a value removes the one that curl sends by default.
        telling = {n: v for n, v in self.headers.items() if n in ("Content-Type", "User-Agent", "Origin")}
        shown = {"Content-Type": "", **telling}
        headers = " ".join(f"-H {shlex.quote(f'{name}: {value}'.rstrip())}" for name, value in shown.items())
        return f"curl -i -X {self.method} {headers} --data-raw {shlex.quote(text)} {shlex.quote(url)}"

    def shown(self, url: str) -> dict[str, Any]:
        """Return the request to ``url`` as evidence for the run record."""
        text = self.body.decode("utf-8", "backslashreplace")
        return {
            "method": self.method,
            "path": urlsplit(url).path,
            "headers": dict(self.headers),
            "body": text,
        }


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The outcome of a request: status and text of the answer, or ``problem`` if there was none."""

    status: int | None = None
    text: str = ""
    problem: str = ""

    @property
    def accepted(self) -> bool:
        """True if the status is a 2xx."""
        return self.status is not None and self.status // 100 == 2

    def __str__(self) -> str:
        if self.status is None:
            return self.problem
        return f"{self.status} {self.text[:200]}".rstrip()


def from_vector(request: Mapping[str, Any], token: str, envelope: Mapping[str, Any]) -> Request:
    """Return the request of an ingest vector, with the envelope's fields added (``--envelope``)."""
    if "body_base64" in request:
        body = base64.b64decode(request["body_base64"])
    elif "body" in request:
        body = enveloped(expand(request["body"], token).encode(), envelope)
    else:
        given = expand(request["json"], token)
        body = as_json({**given, **{k: v for k, v in envelope.items() if k not in given}})
    return Request(body=body, headers=request.get("headers", _TEXT), method=request.get("method", "POST"))


def as_json(value: Any) -> bytes:
    """Return JSON as JavaScript writes it: text as UTF-8, lone surrogates as escapes."""
    text = json.dumps(value, ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def enveloped(body: bytes, envelope: Mapping[str, Any]) -> bytes:
    """Return a body with fields inserted into its JSON object and all other bytes unchanged."""
    if not envelope or not body.lstrip().startswith(b"{"):
        return body
    fields = as_json(envelope).removeprefix(b"{").removesuffix(b"}")
    before, _, rest = body.partition(b"{")
    comma = b"" if rest.lstrip().startswith(b"}") else b", "
    return before + b"{" + fields + comma + rest


class RequestSender:
    """Sends requests one after another on one connection, as a browser on a page of ``domain`` does.

    Senders of plain events share a ``patience``, so that a server which has stopped answering is waited for
    only so often.
    """

    def __init__(self, url: str, domain: str, patience: Patience | None = None) -> None:
        self._url = url
        self._domain = domain
        self._asker = Asker({})
        self._patience = patience or Patience()

    def complete(self, request: Request) -> Request:
        """Return the request with the browser headers that it lacks."""
        return replace(request, headers=with_browser_headers(request.headers, self._domain))

    def send(self, request: Request) -> Reply:
        """Send a request and return its outcome.

        Raises TargetUnavailable if nothing listens or answers any more, and Throttled on a 429.
        """
        request = self.complete(request)
        self._patience.require_answers(self._url)
        try:
            answer = self._asker.ask(
                request.method, self._url, content=request.body, headers=dict(request.headers)
            )
        except NoAnswer as reason:
            self._patience.silences += 1
            return Reply(problem=f"no answer: {reason}")
        self._patience.silences = 0
        if answer.status == _TOO_MANY:
            raise Throttled("it answered 429")
        return Reply(status=answer.status, text=answer.text[:_SHOWN])

    def close(self) -> None:
        """Close the connection."""
        self._asker.close()
