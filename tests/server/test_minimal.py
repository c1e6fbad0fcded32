"""The protocol in one file: the minimal server passes the server lane, and stays short and apart."""

import ast
import logging
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.targets.process import Process, free_port
from reference_server import minimal
from reference_server.storage.embedded import LocalClickHouse
from tests.check.conftest import _run

SOURCE = Path(minimal.__file__).read_text(encoding="utf-8")
PAGE = (Path(__file__).parents[2] / "docs" / "minimal-server.md").read_text(encoding="utf-8")
EVENT = {"t": "e", "n": "Purchase", "mk": ["plan"], "mv": ["pro"], "ra": 49.99, "rc": "EUR"}


def command() -> str:
    """Return the command of docs/minimal-server.md, for this interpreter and any port."""
    [line] = [line for line in PAGE.splitlines() if line.startswith("granian --")]
    assert line in SOURCE
    options = line.removeprefix("granian ").replace("8000", "{port}")
    return f"{shlex.quote(sys.executable)} -P -m granian {options}"


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[LocalClickHouse]:
    """A ClickHouse without tables."""
    with LocalClickHouse(tmp_path / "clickhouse") as server:
        yield server


def test_conformant(clickhouse: LocalClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every MUST of the server lane is verified, and no case fails, SHOULD or MAY."""
    monkeypatch.setenv("CLICKHOUSE_URL", clickhouse.url)
    words = ["--lane", "server", "--server-cmd", command(), "--clickhouse", clickhouse.url]
    report = ["--max-examples", "10", "--report", "json=report.json"]
    run = _run(tmp_path, ["-m", "conformance", "check", *words, *report])
    assert run.code == 0, run.out + run.err
    failed = {c["id"]: c["detail"] for c in run.report["cases"] if c["status"] == "fail"}
    assert failed == {}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_commands_of_the_page(clickhouse: LocalClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of docs/minimal-server.md send an event and show its row."""
    monkeypatch.setenv("CLICKHOUSE_URL", clickhouse.url)
    [block] = [block for block in PAGE.split("```sh\n") if block.startswith("curl ")]
    port = free_port()
    with Process(shlex.split(command().replace("{port}", str(port)))) as process:
        process.wait_until_listening(port)
        script = block.partition("```")[0].replace("8000", str(port))
        done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)
    answer, _, row = done.stdout.partition("Row 1:")
    assert answer.startswith("HTTP/1.1 202 ")
    shown = dict(line.split(":", 1) for line in row.splitlines() if ":" in line)
    assert {name: shown[name].strip() for name in ("type", "name", "meta_keys", "meta_values")} == {
        "type": "custom",
        "name": "Purchase",
        "meta_keys": "['plan']",
        "meta_values": "['pro']",
    }
    assert (shown["revenue_source_amount"].strip(), shown["revenue_source_currency"].strip()) == (
        "49.99",
        "EUR",
    )


def test_short_enough_to_be_read_first() -> None:
    """The file has at most 150 lines."""
    assert len(SOURCE.splitlines()) <= 150


def test_reads_alone() -> None:
    """The minimal server imports nothing of the full server or the harness."""
    nodes = list(ast.walk(ast.parse(SOURCE)))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {f"{'.' * n.level}{n.module or ''}" for n in nodes if isinstance(n, ast.ImportFrom)}
    assert {name for name in named if name.startswith((".", "reference_server", "conformance"))} == set()


def test_unstored_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """STORE-5: without ClickHouse the answer is 503, to any origin, and the log shows no password."""
    with LocalClickHouse(tmp_path) as server:
        monkeypatch.setenv("CLICKHOUSE_URL", server.url)
        client = minimal.create_app().test_client()
        assert client.post("/api/event", json=EVENT).status_code == 202
        password = server.url.partition("@")[0].rpartition(":")[2]
    with caplog.at_level(logging.DEBUG):
        answer = client.post("/api/event", json=EVENT)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (503, "*")
    assert "ClickHouse did not store an event" in caplog.text
    assert password not in caplog.text + answer.text
