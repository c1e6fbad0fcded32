"""The recorder as the checks use it: started, spoken to line by line, stopped."""

import base64
import json
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from conformance.recorder.exchange import Exchange
from conformance.recorder.mapping import MappingFault


class WitnessError(RuntimeError):
    """The recorder's process is gone or did not understand: a fault of the suite."""


class Recorder:
    """A recorder process and the commands it obeys. Not for use by several threads at once.

    ``payload`` names the module that reads a foreign tracker's requests, see ``PayloadMapping``.
    """

    def __init__(self, payload: str | None = None) -> None:
        self._payload = payload
        self._process: subprocess.Popen[str] | None = None
        self.page_origin = ""
        self.endpoint_origin = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conformance.recorder", *([self._payload] if self._payload else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        origins = self._read()
        # Two sites to a browser, one machine to us.
        self.page_origin, self.endpoint_origin = origins["127.0.0.1"], origins["localhost"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):  # It may have ended by itself, with a command half written.
                    stream.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def mount(self, path: str, body: bytes, type_: str, *, stored: bool = False, policy: str = "") -> None:
        """Serve ``body`` at ``path`` of every origin; a browser may keep it only if ``stored``.

        ``policy`` is the Content-Security-Policy of the answer, if it is to have one.
        """
        text = base64.b64encode(body).decode("ascii")
        self._command(op="mount", path=path, type=type_, stored=stored, policy=policy, body=text)

    def forward(self, url: str | None) -> None:
        """Pass what arrives at ``/api/event`` on to ``url`` and its answer back; None: answer ourselves."""
        self._command(op="forward", url=url)

    def hold(self, token: str) -> None:
        """Keep back the answer to what carries ``token``; after ``release`` it is redirected (307)."""
        self._command(op="hold", token=token)

    def release(self) -> None:
        """Answer what is held."""
        self._command(op="release")

    def end_hold(self) -> None:
        """Answer what is held, and hold nothing more."""
        self._command(op="end-hold")

    def fault(self, token: str, kind: str) -> None:
        """Fail what carries ``token``: ``hang`` (no answer), ``reset`` (cut), or a status such as ``500``."""
        self._command(op="fault", token=token, kind=kind)

    def end_faults(self) -> None:
        """Answer everything again, and what was kept waiting, too."""
        self._command(op="end-faults")

    def wait(self, number: int = 1, *, seconds: float = 10.0, **wanted: Any) -> list[Exchange]:
        """Return the exchanges that are as ``wanted`` once there are ``number``, or when the time is up.

        Wanted: ``token`` (somewhere in target or body), ``method``, ``path``, ``gone``, ``held``,
        ``answered``, ``status`` (of the answer).
        Raises MappingFault when a request of a foreign tracker could not be read.
        """
        answer = self._command(op="wait", wanted=wanted, number=number, seconds=seconds)
        return [Exchange.from_json(data) for data in answer]

    def seen(self, **wanted: Any) -> list[Exchange]:
        """Return the exchanges that are as wanted now."""
        return self.wait(0, **wanted)

    def forget(self) -> None:
        """Drop what is on record, and what holds it in memory."""
        self._command(op="forget")

    def _command(self, **command: Any) -> Any:
        if self._process is None or self._process.stdin is None:
            raise WitnessError("the recorder is not running")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WitnessError(f"the recorder's process is gone: {error}") from error
        answer = self._read()
        if "unmapped" in answer:
            raise MappingFault(answer["unmapped"])
        if "error" in answer:
            raise WitnessError(f"the recorder did not understand {command}: {answer['error']}")
        return answer["ok"]

    def _read(self) -> Any:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        if not line:
            raise WitnessError("the recorder's process ended unexpectedly; its error output is above")
        return json.loads(line)
