"""Fixtures: the reference tracker in real pages, observed at the recorder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.browsers import Tab
from conformance.harness.instruments import Instruments
from conformance.harness.options import Options
from conformance.harness.run_context import prepare
from conformance.recorder import Exchange

ROOT = Path(__file__).parents[2]
TRACKER = ROOT / "tracker" / "tracker.min.js"


@pytest.fixture(scope="session")
def instruments() -> Iterator[Instruments]:
    """Yield a recorder and Chromium, with the built tracker mounted."""
    with prepare(Options(tracker=str(TRACKER))) as setup:
        instruments = Instruments(setup)
        try:
            yield instruments
        finally:
            instruments.close()


@pytest.fixture
def tab(instruments: Instruments) -> Iterator[Tab]:
    """Yield a tab with its own session storage."""
    tab = instruments.tab("chromium")
    yield tab
    tab.close()


@pytest.fixture
def token(instruments: Instruments, request: pytest.FixtureRequest) -> str:
    """Return the token that identifies the events of a test."""
    return instruments.setup.token(request.node.nodeid)


Arrived = Callable[[str, int], list[Exchange]]


@pytest.fixture
def arrived(instruments: Instruments, tab: Tab) -> Arrived:
    """Wait for a number of requests that carry a text, then for an event sent after them; return them all."""

    def wait(text: str, number: int) -> list[Exchange]:
        instruments.events(text, number)
        tab.run(f"clickport.track('After {text}-after')")
        assert instruments.events(f"{text}-after")
        return [e for e in instruments.events(text, 0) if f"{text}-after".encode() not in e.body]

    return wait
