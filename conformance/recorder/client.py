"""Client of the recorder process: starts it, sends it commands, and stops it."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, Self

from conformance.recorder.exchange import Exchange
from conformance.recorder.mapping import MappingFault


class RecorderError(RuntimeError):
    """A recorder process that has ended or rejected a command: a fault of the suite."""


class Recorder:
    """A recorder process and its commands. Not safe for concurrent use by several threads.

    ``payload`` names the module that reads the requests of a foreign tracker (see ``PayloadMapping``).
    ``protocol`` is one of ``PROTOCOLS``; unless it is ``http1``, ``certificate`` names the file written by
    ``write_certificate``. Every command raises RecorderError if the process has ended or rejects it.
    """

    def __init__(self, payload: str | None = None, *, protocol: str = "http1", certificate: str = "") -> None:
        self._arguments = (payload or "", protocol, certificate)
        self._process: subprocess.Popen[str] | None = None
        self.page_origin = ""
        self.endpoint_origin = ""
        # An origin without TLS, whatever the protocol of the others is.
        self.plain_origin = ""
        # An origin that only IPv6 reaches; empty if this machine has no IPv6.
        self.ipv6_origin = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conformance.recorder", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        origins = self._read()
        # Both lead to this process; to a browser they are two sites.
        self.page_origin, self.endpoint_origin = origins["127.0.0.1"], origins["localhost"]
        self.plain_origin = origins["plain"]
        self.ipv6_origin = origins.get("[::1]", "")
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):  # The process may have ended before it read a whole command.
                    stream.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def mount(
        self,
        path: str,
        body: bytes,
        type_: str,
        *,
        stored: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Serve ``body`` with Content-Type ``type_`` at ``path`` of every origin.

        The browser may store it only if ``stored`` (``no-cache`` instead of ``no-store``). ``headers`` are
        further headers of the response, such as a Content-Security-Policy.
        """
        text = base64.b64encode(body).decode("ascii")
        self._command(op="mount", path=path, type=type_, stored=stored, headers=dict(headers), body=text)

    def forward(self, url: str | None) -> None:
        """Forward requests to ``/api/event`` to ``url``, and its responses back; None ends forwarding."""
        self._command(op="forward", url=url)

    def front(self, *urls: str) -> list[str]:
        """Stand in for a site: keep events, forward all else; return an origin for each origin in ``urls``.

        The first is that of the pages; others are those of the endpoint or the tracker's script.
        """
        origins: list[str] = self._command(op="front", urls=urls)
        return origins

    def end_front(self, *origins: str) -> None:
        """Stop standing in at these origins, and delete what was recorded there."""
        self._command(op="end-front", origins=origins)

    def hold(self, token: str) -> None:
        """Hold back the responses to requests that carry ``token``; ``release`` redirects them (307)."""
        self._command(op="hold", token=token)

    def release(self) -> None:
        """Answer the requests that are held back."""
        self._command(op="release")

    def release_controls(self) -> None:
        """Answer the suite's own requests that are held back, and go on holding the others."""
        self._command(op="release-controls")

    def end_hold(self) -> None:
        """Answer the requests that are held back, and stop holding."""
        self._command(op="end-hold")

    def fault(self, token: str, kind: str) -> None:
        """Fail requests that carry ``token`` as a kind of ``ConnectionFault``: ``hang``, ``500``, …"""
        self._command(op="fault", token=token, kind=kind)

    @contextmanager
    def failing(self, token: str, kind: str) -> Iterator[None]:
        """Fail requests as ``fault`` does until the block ends, or until ``end_faults``."""
        self.fault(token, kind)
        try:
            yield
        finally:
            self.end_faults()

    def end_faults(self) -> None:
        """End all faults; requests that hang are answered."""
        self._command(op="end-faults")

    def wait(self, number: int = 1, *, seconds: float = 10.0, **wanted: Any) -> list[Exchange]:
        """Wait for ``number`` matching exchanges, up to ``seconds``; return those that match then.

        Conditions in ``wanted``: ``token`` (occurs in the target or the body), ``method``, ``path``,
        ``gone``, ``held``, ``answered``, ``status`` (of the response), ``origins`` (of a site), ``events``
        (the path is that of events), ``over`` (it was answered, or its client has left), ``sent`` (neither a
        preflight nor a control request of the suite) and ``cut`` (only those whose client left before the
        body had ended, which are left out otherwise). Raises MappingFault if the payload module failed on any
        request.
        """
        answer = self._command(op="wait", wanted=wanted, number=number, seconds=seconds)
        return [Exchange.from_json(data) for data in answer]

    def wait_each(
        self, numbers: Mapping[str, int], *, seconds: float = 10.0, answered: bool | None = None
    ) -> dict[str, list[Exchange]]:
        """Wait until each token has its number of requests that were sent, up to ``seconds``; return those.

        ``answered`` is a condition as for ``wait``. Raises MappingFault as ``wait`` does.
        """
        answer = self._command(op="wait-each", numbers=dict(numbers), seconds=seconds, answered=answered)
        return {token: [Exchange.from_json(data) for data in found] for token, found in answer.items()}

    def seen(self, **wanted: Any) -> list[Exchange]:
        """Return the exchanges that match now (conditions as for ``wait``)."""
        return self.wait(0, **wanted)

    def forget(self) -> None:
        """Delete the recorded exchanges that have ended."""
        self._command(op="forget")

    def _command(self, **command: Any) -> Any:
        if self._process is None or self._process.stdin is None:
            raise RecorderError("the recorder is not running")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise RecorderError(f"the recorder's process has ended: {error}") from error
        answer = self._read()
        if "unmapped" in answer:
            raise MappingFault(answer["unmapped"])
        if "error" in answer:
            raise RecorderError(f"the recorder did not understand {command}: {answer['error']}")
        return answer["ok"]

    def _read(self) -> Any:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        if not line:
            raise RecorderError("the recorder's process ended unexpectedly; its error output is above")
        return json.loads(line)
