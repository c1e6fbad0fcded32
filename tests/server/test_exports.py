"""Downloads as CSV: exact, harmless to spreadsheets, streamed, and ended with their client."""

import csv
import io
import socket
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from reference_server.storage.embedded import LocalClickHouse
from tests.server.test_serve import descendants, eventually

FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\n=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
)
HOSTILE = (*FORMULAS, 'a"b', "a,b", "a\r\nb", " =1", "名", "'", "\u2013", "\U0001f600")
SAFE = (*(f"'{text}" for text in FORMULAS), *HOSTILE[len(FORMULAS) :])
ROWS = 400_000


@pytest.fixture(scope="module")
def big(start: Any, clickhouse: LocalClickHouse, client: Client) -> Iterator[Any]:
    """A server whose site big.example has events of about 130 MB as CSV."""
    with start(CLICKHOUSE_URL=clickhouse.url) as server:
        client.command(
            "INSERT INTO events (site_id, timestamp, type, name, visitor_id, meta_keys, meta_values)"
            " SELECT 'big.example', now(), 'custom', 'Big', toString(number), ['k'],"
            f" [randomPrintableASCII(200)] FROM numbers({ROWS})"
        )
        yield server
        client.command("DELETE FROM events WHERE site_id = 'big.example'")


def rows_of(server: Any, site: str, path: str) -> list[dict[str, str]]:
    """Return the lines of a download by column."""
    answer = server.http.get(f"/api/sites/{site}/export/{path}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_lists_are_exact_and_run_nothing(big: Any) -> None:
    """Text that a spreadsheet would run gets an apostrophe; any other comes back unchanged."""
    site = f"{uuid.uuid4().hex}.example"
    for text in HOSTILE:
        body = {"t": "e", "n": text, "mk": [text], "mv": [text], "d": site, "ra": -1.5, "rc": "EUR"}
        assert big.post(body).status_code == 202
    big.http.post(f"/api/sites/{site}/goals", json={"type": "custom_event", "event_name": "=1+1"})
    big.settle()
    events = rows_of(big, site, "events.csv")
    assert sorted(row["event"] for row in events) == sorted(SAFE)
    assert {tuple(row.values())[1:] for row in events} == {("1", "1", "EUR -1.5")}
    values = rows_of(big, site, "values.csv")
    assert {row["event"] for row in values} == {row["value"] for row in values} == set(SAFE)
    assert {row["visitors"] for row in values} == {"1"}
    assert rows_of(big, site, "values.csv?name=@SUM(A1)")[0]["property"] == "'@SUM(A1)"
    assert {row["property"] for row in rows_of(big, site, "properties.csv")} == set(SAFE)
    raw = rows_of(big, site, "raw.csv")
    assert sorted(row["name"] for row in raw) == sorted(SAFE)
    assert {row["amount"] for row in raw} == {"-1.5"}, "a number is no formula"
    assert [row["name"] for row in rows_of(big, site, "raw.csv?event=a%22b")] == ['a"b']
    [goal] = rows_of(big, site, "goals.csv")
    assert (goal["goal"], goal["conversions"], goal["revenue"]) == ("'=1+1", "1", "EUR -1.5")
    series = rows_of(big, site, "series.csv?metric=events&period=7d")
    assert [row["events"] for row in series] == ["0"] * 6 + [f"{len(HOSTILE)}"]
    answer = big.http.get(f"/api/sites/{site}/export/raw.csv?period=today")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert f'attachment; filename="{site}-raw-' in answer.headers["content-disposition"]
    assert answer.text.count("\r\n") > len(HOSTILE)
    assert big.http.get(f"/api/sites/{site}/export/secrets.csv").status_code == 404


def test_a_download_takes_little_memory(big: Any) -> None:
    """The server never holds more than a part of it."""
    before = peak(big)
    size = 0
    with big.http.stream("GET", "/api/sites/big.example/export/raw.csv") as answer:
        for part in answer.iter_bytes():
            size += len(part)
    assert size > 100_000_000
    assert peak(big) - before < 50_000


@pytest.mark.parametrize("path", ["raw.csv", "values.csv"])
def test_a_client_that_leaves_ends_its_query(big: Any, client: Client, path: str) -> None:
    """In the middle of an answer, which waits for the client, and before its first byte."""
    cancelled = "SELECT sum(value) FROM system.errors WHERE name = 'QUERY_WAS_CANCELLED'"
    before = client.command(cancelled)
    address = httpx.URL(big.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect((address.host, address.port))
        request = f"GET /api/sites/big.example/export/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(request.encode())
        if path == "raw.csv":
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        eventually(lambda: running(client) == 1)
    eventually(lambda: running(client) == 0)
    # An export in the middle of its answer may also notice that its client has left.
    assert path == "raw.csv" or client.command(cancelled) != before


def test_a_download_that_breaks_off_has_no_end(big: Any, client: Client) -> None:
    """If ClickHouse fails in the middle of it, the client learns that lines are missing."""
    path = "/api/sites/big.example/export/raw.csv"
    with big.http.stream("GET", path) as answer:
        parts = answer.iter_raw()
        next(parts)
        client.command("KILL QUERY WHERE startsWith(query_id, 'clickport-') ASYNC")
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            deque(parts, maxlen=0)


def running(client: Client) -> int:
    """Return the number of queries of the server's requests that run."""
    query = "SELECT count() FROM system.processes WHERE startsWith(query_id, 'clickport-')"
    return int(client.query(query).result_rows[0][0])


def peak(server: Any) -> int:
    """Return the most memory (KiB) that the processes of a server have had together."""
    files = [Path(f"/proc/{pid}/status") for pid in descendants(server.process.pid)]
    lines = [line for file in files for line in file.read_text().splitlines() if line.startswith("VmHWM")]
    return sum(int(line.split()[1]) for line in lines)
