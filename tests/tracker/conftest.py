"""The reference tracker in real pages, watched at the recorder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.browsers import Tab
from conformance.harness.instruments import Bench
from conformance.harness.options import Options
from conformance.harness.run_context import prepare
from conformance.recorder import Exchange

ROOT = Path(__file__).parents[2]
TRACKER = ROOT / "tracker" / "tracker.min.js"


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """Recorder and Chromium, with the built tracker mounted."""
    with prepare(Options(tracker=str(TRACKER))) as setup:
        bench = Bench(setup)
        try:
            yield bench
        finally:
            bench.close()


@pytest.fixture
def tab(bench: Bench) -> Iterator[Tab]:
    """A tab with a session storage of its own."""
    tab = bench.tab("chromium")
    yield tab
    tab.close()


@pytest.fixture
def token(bench: Bench, request: pytest.FixtureRequest) -> str:
    """By this the events of a test are told from all others."""
    return bench.setup.token(request.node.nodeid)


Arrived = Callable[[str, int], list[Exchange]]


@pytest.fixture
def arrived(bench: Bench, tab: Tab) -> Arrived:
    """Wait for a number of requests that carry a text, then for an event sent after them; return them all."""

    def wait(text: str, number: int) -> list[Exchange]:
        bench.events(text, number)
        tab.run(f"clickport.track('After {text}-after')")
        assert bench.events(f"{text}-after")
        return [e for e in bench.events(text, 0) if f"{text}-after".encode() not in e.body]

    return wait
