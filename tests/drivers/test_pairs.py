"""Forwarding to the server of a pair: its refusals are distinguished from those that a case asked for."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from conformance.drivers.pairs import passed_on
from conformance.harness.instruments import Instruments
from conformance.recorder import Recorder
from conformance.targets.throttling import Throttled

RUN = "cp0a1b2c3d"


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer 429."""
        self.send_response(429)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def post(recorder: Recorder) -> int:
    """Post an event to the recorder and return the status of the response."""
    return httpx.post(f"{recorder.endpoint_origin}/api/event", content=f"{RUN}x").status_code


def test_only_the_servers_refusals_count() -> None:
    """The recorder's own 429, for a case of the tracker lane, is not the server's; the next one is."""
    with Recorder() as recorder, HTTPServer(("127.0.0.1", 0), _Refusing) as refusing:
        Thread(target=refusing.serve_forever, daemon=True).start()
        server = SimpleNamespace(event_url=f"http://127.0.0.1:{refusing.server_port}/api/event")
        setup = SimpleNamespace(run=RUN, server=server)
        instruments = cast("Instruments", SimpleNamespace(recorder=recorder, setup=setup))
        with recorder.failing(RUN, "429"):
            assert post(recorder) == 429
        with passed_on(instruments):
            pass
        with pytest.raises(Throttled, match="429"), passed_on(instruments):
            assert post(recorder) == 429
        refusing.shutdown()
