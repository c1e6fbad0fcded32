"""Events of the live page, in any process, for readers of their site."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server.storage.embedded import LocalClickHouse
from reference_server.web import live_stream
from tests.server.test_events import in_a_loop

Start = Callable[..., Any]
SECONDS = 20.0


class Reader:
    """A client of a live stream."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> dict[str, Any]:
        """Return the next event, waiting for it."""
        for line in self._lines:
            if line.startswith("data: "):
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return event
        raise AssertionError("the stream ended")


@contextmanager
def looking(server: Any, site: str) -> Iterator[Reader]:
    """Open the stream of a site for a with block."""
    with httpx.stream(
        "GET", f"{server.url}/api/sites/{site}/live", timeout=SECONDS, trust_env=False
    ) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        next(lines)  # All later events arrive.
        yield Reader(lines)


def send(server: Any, name: str, **members: Any) -> None:
    """Send an event on a connection of its own, so that any process may get it."""
    payload = {"t": "e", "n": name, "d": "live.example", **members}
    answer = httpx.post(f"{server.url}/api/event", json=payload, trust_env=False, verify=False)
    assert answer.status_code == 202, answer.text


@pytest.fixture(scope="module")
def serving(start: Start, clickhouse: LocalClickHouse) -> Iterator[Any]:
    """A server of two worker processes."""
    with start("--workers", "2", CLICKHOUSE_URL=clickhouse.url) as server:
        yield server


def test_an_event_is_sent_with_its_outcome(serving: Any) -> None:
    """The page gets the payload as sent, the row, the notes and the advice (LINT-4, LINT-5)."""
    with looking(serving, "live.example") as reader:
        send(serving, "Purchase", mk=[f"k{n}" for n in range(31)], mv=["v"] * 31, ra="$49.99", rc="EUR")
        event = reader.next()
    assert (event["name"], event["type"], event["site"]) == ("Purchase", "custom", "live.example")
    assert (event["payload"]["t"], event["payload"]["ra"], event["payload"]["rc"]) == ("e", "$49.99", "EUR")
    assert event["payload"]["mk"] == [f"k{n}" for n in range(31)]
    assert event["stored"] == {
        "meta_keys": [f"k{n}" for n in range(30)],
        "meta_values": ["v"] * 30,
        "revenue_source_amount": None,
        "revenue_source_currency": "",
    }
    assert event["notes"] == [
        "31 properties: the first 30 kept",
        "ra is not a finite number of at most 20 digits before the point: revenue dropped",
    ]
    assert [advice["rule"] for advice in event["advice"]] == ["LINT-4", "LINT-5"]


def test_amounts_are_sent_digit_by_digit(serving: Any) -> None:
    """A number of the payload stays an exact number; the stored amount is text."""
    with looking(serving, "live.example") as reader:
        send(serving, "Sale", ra=49.99)
        event = reader.next()
    assert event["payload"]["ra"] == 49.99
    assert event["stored"]["revenue_source_amount"] == "49.99"
    assert event["advice"] == []


def test_events_of_every_process_reach_one_reader(serving: Any) -> None:
    """Forty connections spread over two processes deliver forty events in order."""
    with looking(serving, "live.example") as reader:
        names = [f"event {number}" for number in range(40)]
        for name in names:
            send(serving, name)
        assert [reader.next()["name"] for _ in names] == names


def test_another_site_gets_nothing(serving: Any) -> None:
    """A reader of one site gets no event of another, although some arrive in between."""
    with looking(serving, "live.example") as reader:
        send(serving, "theirs", d="other.example")
        send(serving, "ours")
        assert reader.next()["name"] == "ours"


def test_an_event_larger_than_a_datagram_is_shortened(serving: Any) -> None:
    """Thirty values of 2,000 characters are cut to the shown size."""
    with looking(serving, "live.example") as reader:
        send(serving, "large", mk=["k"] * 30, mv=["\u0001" * 2000] * 30)
        event = reader.next()
    assert event["name"] == "large"
    assert event["stored"]["meta_values"][29] == "\u0001" * 100 + "… (2000 characters)"


@pytest.mark.parametrize("member", ["mk", "mv", "ra", "d", "x"])
def test_no_depth_is_a_fault_of_the_live_page(serving: Any, member: str) -> None:
    """F15, WIRE-8: around the recursion limit an event is accepted or refused, and never a 500."""
    with looking(serving, "live.example") as reader, httpx.Client(trust_env=False) as http:

        def status(depth: int) -> int:
            nested = f'"{member}": {"[" * depth}{"]" * depth}'
            known = '"t": "e", "n": "a", "d": "live.example", "mk": ["k"], "mv": ["v"]'
            body = f"{{{known}, {nested}}}"  # Of a repeated key the last value counts.
            return http.post(f"{serving.url}/api/event", content=body).status_code

        statuses = {depth: status(depth) for depth in range(960, 1010)}
        assert set(statuses.values()) <= {202, 400}, statuses
        send(serving, "after")
        while reader.next()["name"] != "after":
            pass


def test_what_a_stranger_sends_is_not_shown(
    start: Start, clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    """A datagram without the token of the process is ignored; the reader's file is removed later."""
    with start("--data", str(tmp_path), CLICKHOUSE_URL=clickhouse.url) as server:
        with looking(server, "live.example") as reader:
            [file] = (tmp_path / "state" / "live").glob("*.json")
            port = json.loads(file.read_text())["port"]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b'{"site": "live.example", "name": "forged"}', ("127.0.0.1", port))
            send(server, "real")
            assert reader.next()["name"] == "real"
        deadline = time.monotonic() + SECONDS
        while list((tmp_path / "state" / "live").iterdir()):
            send(server, "one more")  # The server notices a closed stream when it sends.
            assert time.monotonic() < deadline, "the process still counts the closed stream"
            time.sleep(0.05)


def test_a_server_ends_although_a_stream_is_open(start: Start, clickhouse: LocalClickHouse) -> None:
    """An open stream is ended properly, and not cut off when its worker is killed for not ending."""
    with start(CLICKHOUSE_URL=clickhouse.url) as server, looking(server, "live.example") as reader:
        server.process.terminate()
        with pytest.raises(AssertionError, match="the stream ended"):
            reader.next()
        assert server.process.wait(SECONDS) == 0


def test_a_busy_site_stays_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader still counts as present if events never pause."""
    monkeypatch.setattr(live_stream, "_STILL_SECONDS", 0.2)
    monkeypatch.setattr(live_stream, "_GONE_SECONDS", 0.6)

    async def watch() -> int:
        looking, sending = live_stream.LiveStream(tmp_path), live_stream.LiveStream(tmp_path)
        ends = time.monotonic() + 2.0
        seen = 0
        async with aclosing(looking.listen("live.example")) as events:
            await anext(events)
            while time.monotonic() < ends:
                assert sending.wanted("live.example"), f"the reader was dropped after {seen} events"
                sending.publish("live.example", {"name": "busy"})
                seen += json.loads(await anext(events))["name"] == "busy"
                await asyncio.sleep(0.05)
        looking.close()
        sending.close()
        return seen

    assert in_a_loop(watch()) > 20
