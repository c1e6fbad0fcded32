"""The event route without a network: simultaneous events share a commit, and each sender gets an answer."""

import asyncio
import json
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reference_server.delivery.census import census
from reference_server.delivery.outbox import Outbox
from reference_server.ingest.endpoint import EventAnswer, EventRoute
from reference_server.ingest.rows import RowBuilder
from reference_server.ingest.sessions import Sessions
from reference_server.ingest.sites import FoundSites, Sites
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.web.live_stream import LiveStream
from tests.server.polling import WAIT

T = TypeVar("T")


class Counted(Outbox):
    """An outbox that counts its transactions."""

    transactions = 0

    def add(self, *rows: Any) -> None:
        """Count and store."""
        self.transactions += 1
        super().add(*rows)


def in_a_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread, as Playwright may have a loop running in this one for other tests."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def together(*waiting: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run coroutines at once and return their results, exceptions included."""

    async def run() -> list[Any]:
        return await asyncio.gather(*waiting, return_exceptions=True)

    return in_a_loop(run())


def route_to(outbox: Outbox, folder: Path) -> EventRoute:
    """Return a route with a body limit of 1,000 bytes."""
    ingest = RowBuilder(
        sites=Sites(()), found=FoundSites(folder, most=1000), sessions=Sessions(folder, b"s" * 32)
    )
    feed = LiveStream(folder / "live")
    return EventRoute(ingest, outbox, feed, UsageLimits(folder), max_body=1000, over_quota="count")


def sent(route: EventRoute, name: str) -> Coroutine[Any, Any, EventAnswer]:
    """Return a request with an event of this name."""
    body = json.dumps({"t": "e", "n": name, "d": "example.com"}).encode()
    return route.answer("POST", {}, "127.0.0.1", body)


def test_what_comes_at_once_is_one_transaction(tmp_path: Path) -> None:
    """A hundred simultaneous events cost one commit, and invalid ones among them do not matter."""
    outbox = Counted.create(tmp_path / "outbox")
    route = route_to(outbox, tmp_path)
    names = [f"n{number}" for number in range(100)]
    names[50] = ""
    answers = together(*(sent(route, name) for name in names))
    assert [answer.status for answer in answers] == [400 if not name else 202 for name in names]
    assert (outbox.transactions, census(tmp_path / "outbox").pending) == (1, 99)


def test_what_is_no_event_costs_no_transaction(tmp_path: Path) -> None:
    """Invalid events do not wake the loader either."""
    outbox = Counted.create(tmp_path / "outbox")
    [answer] = together(sent(route_to(outbox, tmp_path), ""))
    assert (answer.status, outbox.transactions) == (400, 0)


def test_all_senders_are_refused_when_there_is_no_room(tmp_path: Path) -> None:
    """If a transaction fails, no event of it is stored, and each sender gets an error."""
    route = route_to(Outbox.create(tmp_path / "outbox", max_bytes=200), tmp_path)
    answers = together(*(sent(route, f"n{number}") for number in range(3)))
    assert [answer.status for answer in answers] == [503] * 3
    assert all(("Retry-After", "5") in answer.headers for answer in answers)
    assert census(tmp_path / "outbox").pending == 0


def test_a_sender_that_goes_costs_no_other(tmp_path: Path) -> None:
    """STORE-5: a request cancelled during its commit leaves the answers of others alone."""

    async def run() -> None:
        route = route_to(Outbox.create(tmp_path / "outbox"), tmp_path)
        going, staying = (asyncio.ensure_future(sent(route, name)) for name in ("going", "staying"))
        await asyncio.sleep(0)
        going.cancel()
        assert (await staying).status == 202
        with pytest.raises(asyncio.CancelledError):
            await going

    in_a_loop(run())
    assert census(tmp_path / "outbox").pending == 2


def answer(tmp_path: Path, method: str, body: bytes = b"") -> EventAnswer:
    """Call the route as the gateway does."""
    route = route_to(Outbox.create(tmp_path / "outbox"), tmp_path)
    return in_a_loop(route.answer(method, {}, "127.0.0.1", body))


@pytest.mark.parametrize(
    ("method", "body", "status", "reason"),
    [
        ("POST", b"{}", 400, 't must be "e" for a custom event or "p" for a pageview'),
        ("POST", b"x" * 1001, 413, "the body must have at most 1,000 bytes"),
        ("GET", b"", 405, "send events by POST"),
    ],
)
def test_an_error_says_why_to_any_origin(
    tmp_path: Path, method: str, body: bytes, status: int, reason: str
) -> None:
    """WIRE-7, WIRE-8: the reason is JSON that any page may read."""
    code, pairs, text = answer(tmp_path, method, body)
    headers = dict(pairs)
    assert (code, headers["Access-Control-Allow-Origin"], json.loads(text)) == (
        status,
        "*",
        {"error": reason},
    )
    assert headers["Content-Length"] == str(len(text))


def test_a_wrong_method_learns_which_there_are(tmp_path: Path) -> None:
    """RFC 9110: 405 comes with Allow."""
    code, headers, _ = answer(tmp_path, "PUT")
    assert (code, dict(headers)["Allow"]) == (405, "OPTIONS, POST")


def test_a_slow_disk_stops_no_other_client(tmp_path: Path) -> None:
    """While a commit waits for the disk, the loop goes on, and new events share the next commit."""
    outbox = Counted.create(tmp_path / "outbox")
    route = route_to(outbox, tmp_path)
    route._commit_seconds = 1.0  # As if the previous commit had been slow.

    async def run() -> list[int]:
        outbox._lock.acquire()
        # If the loop were blocked, this releases the disk, so that the test fails instead of hanging.
        late = threading.Timer(WAIT, outbox._lock.release)
        late.start()
        first = asyncio.ensure_future(sent(route, "first"))
        await asyncio.sleep(0)
        others = []
        for number in range(10):
            others.append(asyncio.ensure_future(sent(route, f"n{number}")))
            await asyncio.sleep(0)
        assert late.is_alive(), "the loop was blocked by the commit"
        late.cancel()
        outbox._lock.release()
        return [answer.status for answer in await asyncio.gather(first, *others)]

    assert in_a_loop(run()) == [202] * 11
    assert (outbox.transactions, census(tmp_path / "outbox").pending) == (2, 11)
