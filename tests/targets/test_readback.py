"""Readback by command, URL and ClickHouse: the same rows, and errors that name the source."""

import json
import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.protocol.outcomes import TargetUnavailable
from conformance.readback import ClickHouseReadback, CommandReadback, StoredRow, UrlReadback
from conformance.targets.server import server_by_command
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

Script = Callable[..., str]
Reader = Callable[..., ClickHouseReadback]

SINCE = "2026-11-24T10:00:00Z"
ROWS: list[dict[str, Any]] = [
    {
        "type": "custom",
        "name": "Été 🎉 cp01",
        "meta_keys": ["a", "b"],
        "meta_values": ['it\'s "so"\n', ""],
        "revenue_source_amount": "999999999999.9999",
        "revenue_source_currency": "EUR",
    },
    {
        "type": "custom",
        "name": "click",
        "meta_keys": ["case"],
        "meta_values": ["CP01"],
        "revenue_source_amount": None,
        "revenue_source_currency": "",
    },
    {
        "type": "custom",
        "name": "Of another run cp02",
        "meta_keys": [],
        "meta_values": [],
        "revenue_source_amount": None,
        "revenue_source_currency": "",
    },
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
STORED = [
    StoredRow(
        type="custom",
        name="Été 🎉 cp01",
        meta_keys=("a", "b"),
        meta_values=('it\'s "so"\n', ""),
        revenue_source_amount=Decimal("999999999999.9999"),
        revenue_source_currency="EUR",
    ),
    StoredRow(
        type="custom",
        name="click",
        meta_keys=("case",),
        meta_values=("CP01",),
        revenue_source_amount=None,
        revenue_source_currency="",
    ),
]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a ClickHouse whose table ``events`` holds the rows."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        client = connect(server.url)
        client.command(
            "CREATE TABLE events (type String, name String, "
            "meta_keys Array(String), meta_values Array(String), "
            "revenue_source_amount Nullable(Decimal(38, 4)), revenue_source_currency String) ORDER BY ()"
        )
        client.command(f"INSERT INTO events FORMAT JSONEachRow {LINES}")
        client.close()
        yield server.url


@pytest.fixture
def reader() -> Iterator[Callable[..., ClickHouseReadback]]:
    """Return a factory of ClickHouse readbacks; their connections are closed at the end."""
    made: list[ClickHouseReadback] = []

    def make(*arguments: str) -> ClickHouseReadback:
        made.append(ClickHouseReadback(*arguments))
        return made[-1]

    yield make
    for readback in made:
        readback._http.close()


def test_rows_by_command(script: Script) -> None:
    """{since} and {port} in a command are replaced; the rows of the run are returned exactly."""
    text = f"import sys\nassert sys.argv[1:] == ['{SINCE}', '81'], sys.argv\nprint({LINES!r})"
    readback = CommandReadback(script(text, "{since}", "{port}"), since=SINCE, port=81)
    assert readback.rows("cp01") == STORED


def test_rows_by_url(files: str) -> None:
    """{port} in a URL is replaced; the rows of the run are returned exactly."""
    Path("rows").write_text(LINES, encoding="utf-8")
    with server_by_command(files) as server:
        readback = UrlReadback("http://127.0.0.1:{port}/rows?since={since}", since=SINCE, port=server.port)
        assert readback.rows("cp01") == STORED


def test_rows_from_clickhouse(clickhouse: str, reader: Reader) -> None:
    """ClickHouse returns the rows exactly, including decimals and empty strings."""
    rows = reader(clickhouse).rows("cp01")
    assert sorted(rows, key=lambda row: row.name) == sorted(STORED, key=lambda row: row.name)


def test_lines_may_hold_numbers_and_links(script: Script) -> None:
    """An amount may be a number and keeps its notation; session and page visit are read if present."""
    row = {**ROWS[0], "session_id": 7, "pageview_id": "v"}
    line = json.dumps(row).replace('"999999999999.9999"', "49.990")
    [found] = CommandReadback(script(f"print({line!r})"), since=SINCE).rows("cp01")
    assert (found.session_id, found.pageview_id) == ("7", "v")
    assert str(found.revenue_source_amount) == "49.990"


def test_an_amount_that_is_no_number_is_for_a_check(script: Script) -> None:
    """A stored amount that is not a number is read as text, so that a check can judge it."""
    line = json.dumps({**ROWS[0], "revenue_source_amount": {"value": 5}})
    [found] = CommandReadback(script(f"print({line!r})"), since=SINCE).rows("cp01")
    assert found.revenue_source_amount == str({"value": Decimal(5)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import sys; sys.exit('table events is missing')",
            "ended with exit code 1: table events is missing",
        ),
        ("print('<html>')", "line 1, is not a stored row"),
        (f"print({json.dumps(ROWS[2])!r}); print('{{}}')", "line 2, is not a stored row: lacks 'revenue"),
        (f"print({json.dumps({**ROWS[0], 'meta_keys': 'a'})!r})", "meta_keys and meta_values must be lists"),
    ],
    ids=["fails", "no JSON", "no row", "no lists"],
)
def test_bad_command_is_named(script: Script, text: str, message: str) -> None:
    """A command that fails or prints something else than rows is named with its fault."""
    command = script(text)
    with pytest.raises(TargetUnavailable) as raised:
        CommandReadback(command, since=SINCE).rows("cp01")
    assert f"readback command {command}" in str(raised.value)
    assert message in str(raised.value)


def test_missing_command_is_named() -> None:
    """A command that does not exist is named."""
    with pytest.raises(TargetUnavailable, match=r"readback command no-such-rows: .*No such file"):
        CommandReadback("no-such-rows", since=SINCE).rows("cp01")


def test_bad_url_is_named(files: str) -> None:
    """A URL that returns 404 or HTML, or that refuses connections, is named with its fault."""
    Path("page").write_text("<html>", encoding="utf-8")
    with server_by_command(files) as server:
        for path, message in (("missing", "404"), ("page", "line 1, is not a stored row")):
            url = f"{server.url}/{path}"
            with pytest.raises(TargetUnavailable, match=message) as raised:
                UrlReadback(url, since=SINCE).rows("cp01")
            assert f"readback URL {url}" in str(raised.value)
    with pytest.raises(TargetUnavailable, match=f"readback URL {server.url}"):
        UrlReadback(server.url, since=SINCE).rows("cp01")


@pytest.mark.parametrize("url", ["rows.jsonl", "http://[half"])
def test_invalid_url_is_named(url: str) -> None:
    """An invalid URL is a target that could not be read."""
    with pytest.raises(TargetUnavailable) as raised:
        UrlReadback(url, since=SINCE).rows("cp01")
    assert f"readback URL {url}" in str(raised.value)


def test_unreachable_clickhouse_is_named(reader: Reader) -> None:
    """If the port refuses connections, the message names host, port and table, but not the password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(TargetUnavailable) as raised:
            reader(f"http://me:secret@127.0.0.1:{port}/db").rows("cp01")
    assert f"ClickHouse at 127.0.0.1:{port}, table events" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_clickhouse_errors_are_reported(clickhouse: str, reader: Reader) -> None:
    """A missing table is reported in ClickHouse's words; a wrong password is reported, too."""
    with pytest.raises(TargetUnavailable, match=r"table shop\.events.*(UNKNOWN_DATABASE|UNKNOWN_TABLE)"):
        reader(clickhouse, "shop.events").rows("cp01")
    user, _, place = clickhouse.rpartition("@")
    wrong = f"{user}x@{place}"
    with pytest.raises(TargetUnavailable, match="could not read ClickHouse at"):
        reader(wrong).rows("cp01")


@pytest.mark.parametrize("table", ["no table", "events; DROP TABLE events", "a.b.c", "événements", ""])
def test_table_must_be_a_name(table: str) -> None:
    """A text that is not a table name never gets into a query."""
    with pytest.raises(ValueError, match="not a table name"):
        ClickHouseReadback("http://127.0.0.1:1", table)


def test_port_of_a_foreign_server_is_unknown() -> None:
    """{port} is refused at once unless the suite started the server."""
    with pytest.raises(ValueError, match="known only for a server started by --server-cmd"):
        CommandReadback("rows {port}", since=SINCE)
