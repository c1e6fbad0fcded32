"""The baseline servers and the probes: each server works, and both probes report the same figures."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conformance.load.plan import LoadPlan
from conformance.load.yardsticks import _SERVERS, _alone, _compared, _over, _server, _Tool
from conformance.paths import bundled
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

EVENT = {"t": "e", "n": "Purchase", "mk": ["plan"], "mv": ["pro"], "ra": 49.99, "rc": "EUR"}


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield a ClickHouse for the minimal server and for prepared blocks."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server.url


@pytest.fixture(scope="module")
def empty(clickhouse: str) -> Iterator[str]:
    """Yield the empty application, which everything is compared with."""
    with _server("empty-rsgi", clickhouse) as url:
        yield url


@pytest.fixture
def headers(tmp_path: Path) -> str:
    """Return a file of headers."""
    place = tmp_path / "headers"
    place.write_text("Content-Type: text/plain\nOrigin: https://example.com\n", encoding="ascii")
    return str(place)


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    """Return the bodies that the probes post."""
    place = tmp_path / "bodies"
    place.write_text(f"{json.dumps(EVENT)}\n" * 3)
    return place


@pytest.mark.parametrize("name", [name for name in _SERVERS if name != "empty-rsgi"])
def test_yardstick_takes_events(name: str, clickhouse: str) -> None:
    """Each server answers 202, and the minimal server has stored the row by then."""
    with _server(name, clickhouse) as url:
        assert httpx.post(url, json=EVENT).status_code == 202
    if name == "minimal":
        client = connect(clickhouse)
        columns = "name, meta_keys, meta_values, toString(revenue_source_amount), revenue_source_currency"
        rows = client.query(f"SELECT {columns} FROM events").result_rows
        client.close()
        assert rows == [("Purchase", ["plan"], ["pro"], "49.99", "EUR")]


def probe(*words: str) -> dict[str, Any]:
    """Return the figures on the last line of a probe."""
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def test_probes_tell_the_same(empty: str, bodies: Path, headers: str) -> None:
    """The bundled probe and, if installed, wrk report the same figures."""
    found = [probe(sys.executable, str(bundled("load/probe.py")), empty, str(bodies), headers, "0.5", "4")]
    if wrk := shutil.which("wrk"):
        lua = str(bundled("load/probe.lua"))
        found.append(
            probe(wrk, "-t", "1", "-c", "4", "-d", "1s", "-s", lua, empty, "--", str(bodies), headers)
        )
    for figures in found:
        assert sorted(figures) == ["answers", "failed", "p95_ms", "refused", "seconds"]
        assert figures["answers"] > 50
        assert (figures["refused"], figures["failed"]) == (0, 0)


def test_probe_tells_refusals(bodies: Path, headers: str) -> None:
    """Only responses with a 2xx count; others, and missing ones, are reported separately."""
    gone = "http://127.0.0.1:9/api/event"
    figures = probe(sys.executable, str(bundled("load/probe.py")), gone, str(bodies), headers, "0.1", "1")
    assert figures["answers"] == 0
    assert figures["failed"] > 0


def test_clickhouse_alone(clickhouse: str, bodies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared blocks of 50,000 rows are stored in the table."""
    monkeypatch.setattr("conformance.load.yardsticks.SECONDS", 0.2)
    assert _alone(bodies, clickhouse)["rows_a_second"] > 1_000
    client = connect(clickhouse)
    count = client.command("SELECT count() FROM blocks")
    client.close()
    assert isinstance(count, int)
    assert count >= 50_000
    assert count % 50_000 == 0


_BRIEFLY = """
from conformance.cli import main
from conformance.load import yardsticks
yardsticks.SECONDS = yardsticks.ROUND_SECONDS = yardsticks.ROUNDS = 1
main()
"""


def test_target_is_compared_with_all(tmp_path: Path) -> None:
    """``load --yardsticks`` reports a ratio to each server, and acknowledged events are stored."""
    words = ["load", "--rate", "100", "--for", "2s", "--yardsticks", "--report", "json=report.json"]
    ended = subprocess.run(
        [sys.executable, "-c", _BRIEFLY, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "report.json").read_text())["load"]["yardsticks"]
    assert [row["name"] for row in found["yardsticks"]] == list(_SERVERS.values())
    for row in found["yardsticks"][:-1]:  # The minimal server may not finish an insert within a second.
        assert row["ratio"] == row["ratios"][0] > 0
        assert (row["refused"], row["failed"]) == (0, 0)
        assert row["locust_ratio"] > 0
    target = found["target"]
    assert 100 < target["acknowledged"] <= target["stored"]
    assert 0 < target["durable_a_second"] < target["probe_a_second"]
    alone = found["clickhouse_alone"]
    assert alone["ratio"] == round(target["durable_a_second"] / alone["rows_a_second"], 2)
    assert "medians of 1 rounds of 1 s" in " ".join(ended.stdout.split())


def test_ratios_are_those_of_a_round() -> None:
    """Ratios are computed per round, so that a slow phase does not change them; the median is reported."""

    def drive(rate: float, p95: float) -> dict[str, Any]:
        return {"probe_a_second": rate, "probe_p95_ms": p95, "acknowledged": 100, "refused": 0, "failed": 1}

    rounds = [
        [drive(500.0, 3.0), drive(1000.0, 1.0)],
        [drive(250.0, 7.0), drive(500.0, 2.0)],
        [drive(600.0, 2.0), drive(1000.0, 9.0)],
    ]
    rows = [
        {"name": name, "locust_a_second": rate, **_over(drives)}
        for name, rate, drives in zip(
            ("target", "empty"), (90.0, 100.0), zip(*rounds, strict=True), strict=True
        )
    ]
    tool = _Tool(plan=LoadPlan(), bodies=Path("bodies"), name="probe", words=())
    found = _compared(tool, rows, rounds, {"rows_a_second": 10.0})
    [row] = found["yardsticks"]
    assert (row["ratios"], row["ratio"], row["locust_ratio"]) == ([0.5, 0.5, 0.6], 0.5, 0.9)
    assert found["target"]["probe_a_second"] == 500.0
    assert (row["probe_p95_ms"], row["acknowledged"], row["failed"]) == (2.0, 300, 3)
    assert found["locust_is_the_limit"]
