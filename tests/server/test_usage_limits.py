"""Usage limits: rates, quotas and other refusals, with their answers and counters."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server.delivery.counters import Counts
from reference_server.delivery.outbox import Outbox
from reference_server.ingest.endpoint import EventAnswer, EventRoute
from reference_server.ingest.other_nodes import OtherNodes
from reference_server.ingest.rows import RowBuilder
from reference_server.ingest.sessions import Sessions
from reference_server.ingest.sites import FoundSites, Sites
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.storage.client import Clients
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import encode_row
from reference_server.web.live_stream import LiveStream
from tests.server.reading import Pen, Sent
from tests.server.test_events import in_a_loop

Start = Callable[..., Any]
NOON = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


def figures(server: Any) -> dict[str, int]:
    """Return the number of refusals per reason, from the metrics."""
    lines = [
        line
        for line in server.http.get("/metrics").text.splitlines()
        if line.startswith("clickport_events_ref")
    ]
    return {line.split('"')[1]: int(line.split()[-1]) for line in lines}


def stored(server: Any, client: Any, site: str) -> int:
    """Return the number of rows of a site."""
    server.settle()
    rows = client.query(
        "SELECT count() FROM events WHERE site_id = {site:String}", {"site": site}
    ).result_rows
    return int(rows[0][0])


def send(server: Any, site: str, **headers: str) -> httpx.Response:
    """Send an event on a connection of its own."""
    payload = {"t": "e", "n": "a", "d": site}
    return httpx.post(f"{server.url}/api/event", json=payload, headers=headers, trust_env=False, verify=False)


def test_a_minute_is_counted_for_each_address(tmp_path: Path) -> None:
    """Two processes share the count; other addresses and the next minute have their own."""
    one, two = UsageLimits(tmp_path, rate=3), UsageLimits(tmp_path, rate=3)
    seen = [usage_limits.within_rate_limit("192.0.2.1", NOON) for usage_limits in (one, two, one, two, one)]
    assert seen == [True, True, True, False, False]
    assert two.within_rate_limit("192.0.2.2", NOON)
    assert two.within_rate_limit("192.0.2.1", NOON + timedelta(minutes=1))
    assert not one.within_rate_limit("192.0.2.1", NOON + timedelta(seconds=29))


def test_without_a_limit_everybody_comes_in(tmp_path: Path) -> None:
    """There is no limit by default."""
    usage_limits = UsageLimits(tmp_path)
    assert all(
        usage_limits.within_rate_limit("192.0.2.1", NOON) and usage_limits.within_quota("a", NOON)
        for _ in range(1000)
    )


def test_tries_to_log_in_are_few(tmp_path: Path) -> None:
    """An address has ten attempts per minute in all processes, whatever the limit of events."""
    one, two = UsageLimits(tmp_path, rate=1), UsageLimits(tmp_path)
    waits = [
        usage_limits.login_wait_seconds("192.0.2.1", NOON + timedelta(seconds=18))
        for usage_limits in (one, two) * 6
    ]
    assert waits == [0] * 10 + [42, 42]
    assert one.within_rate_limit("192.0.2.1", NOON), "events are counted on their own"
    assert two.login_wait_seconds("192.0.2.2", NOON) == 0
    assert one.login_wait_seconds("192.0.2.1", NOON + timedelta(minutes=1)) == 0


def test_a_month_is_counted_for_each_site(tmp_path: Path) -> None:
    """QUOTA-1: a site's own quota, or that of all others; each month begins at zero."""
    usage_limits = UsageLimits(tmp_path, quota={"a.example": 2, "": 1})
    assert [usage_limits.within_quota("a.example", NOON) for _ in range(3)] == [True, True, False]
    assert [usage_limits.within_quota("b.example", NOON) for _ in range(2)] == [True, False]
    assert [usage_limits.within_quota("c.example", NOON) for _ in range(2)] == [True, False]
    assert usage_limits.within_quota("a.example", NOON + timedelta(days=5))


def test_a_quota_knows_what_others_have_stored(tmp_path: Path) -> None:
    """QUOTA-1: the events of other nodes, and those before the quota was set, count; none counts twice."""
    usage_limits = UsageLimits(tmp_path, quota={"": 10})
    usage_limits.others("2026-11", {"a.example": 8, "b.example": 10})
    assert [usage_limits.within_quota("a.example", NOON) for _ in range(3)] == [True, True, False]
    assert not usage_limits.within_quota("b.example", NOON)
    usage_limits.others("2026-11", {"c.example": 1})
    assert [usage_limits.within_quota("c.example", NOON) for _ in range(10)] == [True] * 9 + [False]
    december = NOON + timedelta(days=5)
    assert usage_limits.within_quota("a.example", december)
    usage_limits.others("2026-12", {"a.example": 9})
    assert not usage_limits.within_quota("a.example", december)


def test_no_event_counts_twice(tmp_path: Path, clickhouse: LocalClickHouse, pen: Pen) -> None:
    """Of ten events, seven are in ClickHouse; four of those, and two that wait, are of this process."""
    now = datetime.now(UTC)
    usage_limits = UsageLimits(tmp_path, quota={pen.site: 10})
    others = OtherNodes(Clients(clickhouse.url), usage_limits, None)
    assert [usage_limits.within_quota(pen.site, now) for _ in range(6)] == [True] * 6
    mine, theirs = [Sent(name="a", at=now)] * 4, [Sent(name="a", at=now)] * 3
    pen.write(*mine)
    others.stored(b"\n".join(encode_row(event.row(pen.site)) for event in mine))
    pen.write(*theirs)
    others.look()
    assert [usage_limits.within_quota(pen.site, now) for _ in range(2)] == [True, False]


def test_figures_are_of_all_processes(tmp_path: Path) -> None:
    """The metrics cover all processes, and exist before any has started."""
    counts = Counts(tmp_path)
    assert set(counts.read().values()) == {0}
    for _ in range(2):
        UsageLimits(tmp_path).refused("quota")
    assert counts.read()["quota"] == 2
    counts.close()


def test_a_sender_over_the_limit_is_dropped_with_200(tmp_path: Path) -> None:
    """As in the hosted product: 60 in a minute are stored by two processes, the others are counted."""
    clock = [NOON.replace(second=59)]
    limits = [UsageLimits(tmp_path, rate=60) for _ in range(2)]
    outbox = Outbox.create(tmp_path / "outbox")
    ingest = RowBuilder(
        sites=Sites(()), found=FoundSites(tmp_path, most=10), sessions=Sessions(tmp_path, b"s" * 32)
    )
    options: Any = {"max_body": 1000, "over_quota": "drop", "now": lambda: clock[0]}
    routes = [EventRoute(ingest, outbox, LiveStream(tmp_path), limit, **options) for limit in limits]

    async def post(number: int) -> EventAnswer:
        body = b'{"t": "e", "n": "a", "d": "a.example"}'
        return await routes[number % 2].answer("POST", {}, "192.0.2.1", body)

    answers = [in_a_loop(post(number)) for number in range(70)]
    assert [answer.status for answer in answers] == [202] * 60 + [200] * 10
    note = ("X-Clickport-Notes", "more than 60 requests in a minute: event dropped")
    assert note in answers[-1].headers
    assert (outbox.pending, Counts(tmp_path).read()["rate_limit"]) == (60, 10)
    clock[0] += timedelta(seconds=1)
    assert in_a_loop(post(0)).status == 202


def test_a_started_server_limits_senders(start: Start, clickhouse: LocalClickHouse, client: Any) -> None:
    """The limit comes from the environment and covers both workers; header and metrics report drops."""
    site = "limited.example"
    with start("--workers", "2", CLICKHOUSE_URL=clickhouse.url, CLICKPORT_RATE_LIMIT="60") as server:
        accepted = 0
        while (answer := send(server, site)).status_code == 202:
            accepted += 1
            assert accepted <= 120, "two minutes' worth of events were accepted"
        assert answer.headers["x-clickport-notes"] == "more than 60 requests in a minute: event dropped"
        assert accepted >= 60
        assert stored(server, client, site) == accepted
        assert figures(server)["rate_limit"] == 1


def test_behind_a_proxy_the_sender_is_the_one_before_it(start: Start, clickhouse: LocalClickHouse) -> None:
    """Entries that a client sends before our proxy's change nothing, in one line or in several."""
    with start(CLICKHOUSE_URL=clickhouse.url, CLICKPORT_RATE_LIMIT="1", CLICKPORT_PROXIES="1") as server:

        def status(*lines: str) -> int:
            """Return the status for an event with these lines of X-Forwarded-For."""
            headers = [("X-Forwarded-For", line) for line in lines]
            answer = server.http.post(
                "/api/event", json={"t": "e", "n": "a", "d": "a.example"}, headers=headers
            )
            return int(answer.status_code)

        def statuses(net: int) -> list[int]:
            """Return the statuses for three new addresses, and then for other spellings of them."""
            new = [(f"192.0.{net}.1",), (f"192.0.{net}.2",), ("198.51.100.9", f"2001:db8:{net}::1")]
            spellings = [
                *(f"192.0.{net}.1", f"192.0.{net}.1:80", f"::ffff:192.0.{net}.1"),
                *(f"2001:DB8:{net}:0::1", f'"[2001:db8:{net}::2]:80"'),
            ]
            known = [
                lines
                for each in spellings
                for lines in (
                    (f"198.51.100.9, {each}",),
                    ("198.51.100.8", each),
                    ("198.51.100.7", "198.51.100.6,", f"{each} ,", ""),
                )
            ]
            return [status(*lines) for lines in (*new, *known)]

        for net in count(1):
            minute = datetime.now(UTC).minute
            found = statuses(net)
            if datetime.now(UTC).minute == minute:  # Counts begin again with each minute.
                break
        assert found == [202] * 3 + [200] * 15


@pytest.mark.parametrize("over", ["drop", "count"])
def test_over_quota(start: Start, clickhouse: LocalClickHouse, client: Any, over: str) -> None:
    """QUOTA-1: events and pageviews beyond the quota are dropped or accepted, with a note."""
    site, (status, rows) = f"{over}.example", {"drop": (200, 3), "count": (202, 5)}[over]
    env = {"CLICKPORT_QUOTA": f"{site}=3", "CLICKPORT_OVER_QUOTA": over}
    with start(CLICKHOUSE_URL=clickhouse.url, **env) as server:
        for letter in "epe":
            assert server.post({"t": letter, "n": "a", "d": site}).status_code == 202
        answers = [server.post({"t": letter, "n": "a", "d": site}) for letter in "pe"]
        assert [answer.status_code for answer in answers] == [status] * 2
        assert "over the monthly quota of 3" in answers[0].headers["x-clickport-notes"]
        assert stored(server, client, site) == rows
        assert figures(server)["quota"] == (2 if over == "drop" else 0)


def test_every_other_refusal_is_counted(start: Start, clickhouse: LocalClickHouse) -> None:
    """Invalid events, unknown sites, bodies that are too large, and incomplete bodies are counted."""
    env = {"CLICKPORT_MAX_BODY": "1000", "CLICKPORT_BODY_SECONDS": "1"}
    with start("--site", "ours.example", CLICKHOUSE_URL=clickhouse.url, **env) as server:
        server.post(b"{}")
        server.post({"t": "e", "n": "a", "d": "theirs.example"})
        server.post(b"x" * 1001)
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port)) as slow:
            slow.sendall(b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        # F23: an incomplete body for another route is not counted as an event.
        with socket.create_connection((address.host, address.port)) as slow:
            slow.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        wanted = {"malformed": 1, "unknown_site": 1, "too_large": 1, "incomplete": 1}
        assert {reason: count for reason, count in figures(server).items() if count} == wanted


def test_a_client_that_says_nothing_is_let_go(start: Start, clickhouse: LocalClickHouse) -> None:
    """A connection that sends half a header ends, and others are served despite a small limit."""
    env = {"CLICKPORT_BODY_SECONDS": "1", "CLICKPORT_MAX_CONNECTIONS": "3"}
    with start(CLICKHOUSE_URL=clickhouse.url, **env) as server:
        address = httpx.URL(server.url)
        silent = [socket.create_connection((address.host, address.port)) for _ in range(6)]
        for each in silent:
            each.sendall(b"POST /api/event HT")
            each.settimeout(20)
        assert send(server, "patient.example").status_code == 202
        assert [each.recv(100)[:12] in (b"", b"HTTP/1.1 408") for each in silent] == [True] * 6
        for each in silent:
            each.close()
