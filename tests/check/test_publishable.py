"""The output and files of a run contain no secret, and nothing that a terminal or CI executes."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.results.record import in_use
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

_KINDS = {"junit": "report.xml", "html": "report.html", "md": "report.md"}
REPORTS = [word for kind, name in _KINDS.items() for word in ("--report", f"{kind}={name}")]
ROW = "type String, name String, meta_keys Array(String), meta_values Array(String)"
FEW_CASES = ("--only", "store-1", "--skip", "*-verbatim-*", "--max-examples", "0")
REVENUE = "revenue_source_amount Nullable(Decimal(38, 9)), revenue_source_currency String"


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """Yield a ClickHouse with a password, a table that stays empty, and one that lacks columns."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        client = connect(server.url)
        client.command(f"CREATE TABLE elsewhere ({ROW}, {REVENUE}) ORDER BY name")
        client.command("CREATE TABLE other (event_type String, name String) ORDER BY name")
        client.close()
        yield server


def _password(url: str) -> str:
    return url.partition("://")[2].partition("@")[0].partition(":")[2]


def _artefacts(folder: Path) -> dict[str, str]:
    """Return the files that a run has left in its folder, except the programs under test."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".js"))
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in files}


def test_no_secret_is_written_and_the_repetition_fails_alike(
    check: "Check", mine: "Implementations", clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    """A password in a URL is not printed or written; the printed command reads the same table."""
    password, key = _password(clickhouse.url), "ck_not-to-be-told"
    options = [*mine.server_alone(), "--clickhouse", clickhouse.url, "--table", "elsewhere"]
    envelope = ["--envelope", json.dumps({"api_key": key}), "--domain", "shop.test"]
    run = check(*options, *envelope, "--dashboard-key", key, *REPORTS, "--only", "server/store-1-plain")
    assert (run.code, run.violated) == (1, {"STORE-1"}), run.text
    said = {**_artefacts(tmp_path), "output": run.out + run.err}
    assert set(_KINDS.values()) <= set(said)
    events = said.pop("events.jsonl", "")
    assert events
    assert {name for name, text in said.items() for secret in (password, key) if secret in text} == set()
    assert (tmp_path / "clickport-run.jsonl").stat().st_mode & 0o777 == 0o600
    [line] = [line for line in run.out.splitlines() if line.startswith("repeat:")]
    command = line.removeprefix("repeat:").strip()
    assert "--table elsewhere" in command
    assert "--domain shop.test" in command
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CLICKPORT_CLICKHOUSE_PASSWORD": password,
        "CLICKPORT_ENVELOPE_API_KEY": key,
        "CLICKPORT_DASHBOARD_KEY": key,
    }
    again = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert again.returncode == 1, again.stdout + again.stderr
    assert "expected 1 row, got none" in again.stdout
    assert password not in again.stdout + again.stderr


def test_a_table_without_the_columns_is_reported_once(
    check: "Check", mine: "Implementations", clickhouse: LocalClickHouse
) -> None:
    """The message names the missing columns and how to create a view."""
    run = check(*mine.server_alone(), "--clickhouse", clickhouse.url, "--table", "other", *FEW_CASES)
    assert (run.code, run.violated) == (3, set()), run.text
    assert len(re.findall("^ERROR ", run.out, re.MULTILINE)) == 1, run.out
    assert "has no column type, meta_keys, meta_values" in run.text
    assert "CREATE VIEW" in run.text


def test_a_target_gives_ci_no_orders(check: "Check", mine: "Implementations") -> None:
    """CI commands and control sequences from a target are escaped."""
    orders = r'"::set-output name=a::b\n::error::c\n##[error]d\n##vso[task.x]e\n\x1b[31mred"'
    options = mine.server('        self._answer(202, "")\n', f"        self._answer(500, {orders})\n")
    run = check(*options, "--only", "server/wire-6-properties", "--only", "server/store-1-plain", *REPORTS)
    assert run.code == 1, run.text
    for line in (*run.out.splitlines(), *run.err.splitlines()):
        assert not line.strip().startswith("::"), line
        assert not re.search(r"##[a-z]*\[", line), line
    assert "\x1b" not in run.out + run.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--report", "html=/dev/null/report.html"], "cannot write a report to /dev/null/report.html"),
        (["--run-record", "/dev/null/run.jsonl"], "/dev/null"),
    ],
)
def test_a_report_that_cannot_be_written_is_named_before_the_run(
    check: "Check", mine: "Implementations", words: list[str], said: str, tmp_path: Path
) -> None:
    """An unwritable report or record is reported before a case runs or a server starts."""
    run = check(*mine.server(), *words)
    assert run.code == 2, run.text
    assert said in run.text
    assert (tmp_path / "events.jsonl").read_text() == ""


def test_two_runs_do_not_share_a_record(check: "Check", mine: "Implementations") -> None:
    """The second run names the option for a record of its own."""
    with in_use(mine.folder / "clickport-run.jsonl"):
        run = check(*mine.server(), "--only", "server/store-1-plain")
    assert run.code == 2, run.text
    assert "another run is writing clickport-run.jsonl" in run.text
    assert "--run-record" in run.text


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """`clickport list | head -1` ends without a message, for any encoding of the console."""
    command = f"{shlex.quote(sys.executable)} -m conformance list --cases"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {command} | head -1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")
    narrow = subprocess.run(
        ["/bin/bash", "-c", command],
        capture_output=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert (narrow.returncode, narrow.stderr) == (0, b"")


def test_a_secret_of_the_configuration_file_is_not_shown(check: "Check", tmp_path: Path) -> None:
    """The message about a server that cannot start hides the token in its command."""
    token = "t0ken-of-the-file"
    (tmp_path / "clickport.toml").write_text(
        f'server-cmd = "{sys.executable} -c pass {{port}} --token {token}"\n', encoding="utf-8"
    )
    run = check("--lane", "server")
    assert run.code == 3, run.text
    assert "ended with exit code 0" in run.text
    assert token not in run.out + run.err
