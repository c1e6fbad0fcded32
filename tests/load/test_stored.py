"""Rows from the readbacks: those of the run, and whether they match what was sent."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from conformance.load.fingerprint import Nonce
from conformance.load.ledger import Row
from conformance.load.mix import EventGenerator, RequestKind, read
from conformance.load.stored import Stored, stored
from conformance.protocol.outcomes import TargetUnavailable
from conformance.readback import ClickHouseReadback, CommandReadback
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

Table = Callable[[str], Stored]

RUN = "cp01"
SINCE = "2026-11-24T10:00:00Z"


def rows(number: int) -> list[dict[str, Any]]:
    """Return the first events of a sender as rows within the limits."""
    shots = (
        s for s in EventGenerator(read(), run=RUN, name="a", seed=1).visit() if s.kind is RequestKind.EVENT
    )
    return [_row(json.loads(shot.body, parse_float=str)) for shot in islice(shots, number)]


def _row(payload: Mapping[str, Any]) -> dict[str, Any]:
    amount = payload.get("ra")
    return {
        "type": "custom",
        "name": payload["n"],
        "meta_keys": payload["mk"][:30],
        "meta_values": [value[:2000] for value in payload["mv"][:30]],
        "revenue_source_amount": None if amount is None else str(amount),
        "revenue_source_currency": "" if amount is None else payload.get("rc", "USD"),
    }


def with_faults() -> list[dict[str, Any]]:
    """Return 2,000 rows, three of them changed, and some of other runs."""
    found = rows(2_000)
    found[3]["name"] += "!"
    paid = [row for row in found if row["revenue_source_amount"] == "49.99"]
    paid[0]["revenue_source_amount"] = "49.98"
    filled = [row for row in found if len(row["meta_keys"]) == 30]
    filled[0]["meta_values"][29] = "y"
    others = [
        {**found[0], "meta_values": ["cp02.a.1", "5"]},
        {**found[0], "meta_keys": [], "meta_values": []},
    ]
    return [*found, *others]


# Types of the columns type, amount and currency; a FixedString is padded with NULs.
_TYPES = {
    "events": ("LowCardinality(String)", "Nullable(Decimal(38, 9))", "Nullable(String)"),
    "floats": ("Enum8('custom' = 1)", "Nullable(Float64)", "LowCardinality(String)"),
    "fixed": ("FixedString(8)", "String", "FixedString(3)"),
}


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield a ClickHouse with these rows in commonly used column types, exact and inexact."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        client = connect(server.url)
        for table, (kind, amount, currency) in _TYPES.items():
            client.command(
                f"CREATE TABLE {table} (timestamp DateTime DEFAULT now(), type {kind}, "
                "name String, meta_keys Array(String), meta_values Array(String), "
                f"revenue_source_amount {amount}, revenue_source_currency {currency}) ORDER BY name"
            )
            lines = "\n".join(map(json.dumps, with_faults()))
            client.command(f"INSERT INTO {table} FORMAT JSONEachRow {lines}")
        client.close()
        yield server.url


@pytest.fixture
def table(clickhouse: str) -> Iterator[Table]:
    """Return a factory of the rows of a table; connections are closed at the end."""
    made: list[ClickHouseReadback] = []

    def rows_of(name: str) -> Stored:
        made.append(ClickHouseReadback(clickhouse, name))
        return stored(made[-1], RUN)

    yield rows_of
    for readback in made:
        readback._http.close()


@pytest.fixture(params=[*_TYPES, "lines"])
def source(request: pytest.FixtureRequest, table: Table, tmp_path: Path) -> Stored:
    """Return the same rows by each readback."""
    if request.param == "lines":
        place = tmp_path / "rows.jsonl"
        place.write_text("".join(json.dumps(row) + "\n" for row in with_faults()))
        return stored(CommandReadback(f"cat {place}", since=SINCE), RUN)
    return table(request.param)


def test_each_row_is_judged(source: Stored) -> None:
    """By SQL as in Python, the three changed rows do not match, and all others of the run do."""
    found = list(source.rows())
    assert len(found) == source.count() == 2_000
    assert sum(row.intact for row in found) == 1_997
    assert Row(Nonce("a", 0), True) in found
    # The fourth event; some numbers before it belong to malformed requests.
    fourth = int(with_faults()[3]["meta_values"][0].rpartition(".")[2])
    assert Row(Nonce("a", fourth), False) in found


def test_rows_are_looked_for_by_nonce(source: Stored) -> None:
    """Of the nonces asked for, those with a row are returned."""
    [first, *_] = with_faults()
    nonce = first["meta_values"][0]
    assert source.seen([nonce, "cp01.zz.5"], since=0) == {nonce}


def test_old_rows_are_not_searched(table: Table) -> None:
    """In a table with times, rows older than the events in question are not searched."""
    found = table("events")
    nonce = with_faults()[0]["meta_values"][0]
    assert found.seen([nonce], since=4e9) == set()


def test_size(table: Table) -> None:
    """ClickHouse reports the bytes on disk per event; a command reports none."""
    size = table("events").size()
    assert size
    assert 10 < size < 10_000
    assert stored(CommandReadback("true", since=SINCE), RUN).size() is None


def test_what_cannot_be_read_is_named(table: Table) -> None:
    """A missing table, or a command that fails after its first row, is named."""
    with pytest.raises(TargetUnavailable, match="nowhere"):
        list(table("nowhere").rows())
    line = json.dumps(rows(1)[0])
    script = shlex.quote(f"import sys; print({line!r}); sys.exit('no more')")
    command = CommandReadback(f"{sys.executable} -c {script}", since=SINCE)
    with pytest.raises(TargetUnavailable, match="ended with exit code 1: no more"):
        list(stored(command, RUN).rows())
