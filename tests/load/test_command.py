"""``clickport load`` as a user runs it: sound and faulty servers, output, and clean-up."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.cli import main
from conformance.load.plan import RemoteTarget, require_local
from conformance.results.record import read
from tests.check.conftest import Ended, Implementations
from tests.check.interrupting import interrupted
from tests.load.conftest import load

SCHEMA = Path(__file__).parents[2] / "fixtures" / "schema"
LOST, DOUBLED, ALTERED, BAD = (
    f"load/store-5-{what}"
    for what in ("nothing-lost", "nothing-doubled", "nothing-altered", "bad-neighbours")
)
_LIMIT = 60
_SOON = 5


def figures(run: Ended) -> dict[str, Any]:
    """Return the figures of the run."""
    found: dict[str, Any] = run.report["load"]
    return found


def test_sound_server_passes(bundled_run: Ended) -> None:
    """The bundled server stores every event once and unchanged: exit code 0."""
    assert bundled_run.code == 0, bundled_run.text
    assert set(bundled_run.statuses.values()) == {"pass"}
    events = figures(bundled_run)["events"]
    assert events["sent"] == events["acknowledged"] == events["stored"] > 300
    assert (events["lost"], events["doubled"], events["altered"], events["stray"]) == (0, 0, 0, 0)
    assert "each stored once, as it was sent" in bundled_run.text


def test_rate_is_kept(bundled_run: Ended) -> None:
    """At 150 requests per second, 3 s are 450 requests, whatever the server does."""
    found = figures(bundled_run)
    assert found["requests"] == pytest.approx(450, rel=0.05)
    assert found["a_second"] == pytest.approx(150, rel=0.05)


def test_visibility_and_backlog_are_measured(bundled_run: Ended) -> None:
    """Visibility is measured from the rows, and the backlog from the server's own metrics."""
    found = figures(bundled_run)
    assert found["visibility"]["p50_ms"] > 0
    # The last reading may fall between the arrival of the sentinel and its row.
    assert 0 <= found["backlog"]["end"] <= found["backlog"]["max"]
    assert found["memory_mb"]["max"] > 10
    assert found["bytes_an_event"] > 10


def test_reports_follow_their_schemas(bundled_run: Ended) -> None:
    """The record and the JSON report are valid under their schemas, and the canary was noticed."""
    report = json.loads((SCHEMA / "report.schema.json").read_text())
    Draft202012Validator(report).validate(bundled_run.report)
    record = Draft202012Validator(json.loads((SCHEMA / "run-record.schema.json").read_text()))
    lines = [
        json.loads(line) for line in (bundled_run.folder / "clickport-load.jsonl").read_text().splitlines()
    ]
    for line in lines:
        record.validate(line)
    assert lines[-1]["canaries"] == {"load": "noticed"}


def test_html_has_plots(bundled_run: Ended) -> None:
    """Rate, latency, backlog and visibility are plotted."""
    text = (bundled_run.folder / "report.html").read_text(encoding="utf-8")
    for title in ("Rate", "Latency", "Backlog", "Visibility"):
        assert f'role="img" aria-label="{title}: ' in text
    assert text.count("<path") >= 7
    assert "| a second |" not in (bundled_run.folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (LOST, "acknowledged events have no row, such as n = cp"),
        (DOUBLED, "events have more than one row, such as n = cp"),
        (ALTERED, "events have a row that is not what was sent, such as n = cp"),
    ],
)
def test_each_fault_is_found(faulty: Ended, case: str, message: str) -> None:
    """One lost, one doubled and one altered event are each found by their own case, and named."""
    assert faulty.code == 1, faulty.text
    [found] = [c for c in faulty.report["cases"] if c["id"] == case]
    assert found["status"] == "fail"
    assert found["detail"].startswith("1 of ")
    assert message in found["detail"]


def test_no_more_is_blamed(faulty: Ended) -> None:
    """The other cases pass on the faulty server."""
    assert faulty.statuses[BAD] == "pass"
    events = figures(faulty)["events"]
    assert (events["lost"], events["doubled"], events["altered"], events["stray"]) == (1, 1, 1, 0)


def test_stall_shows_in_latency(faulty: Ended) -> None:
    """A stall of 1 s raises the latency of every request due in it, though few were sent meanwhile."""
    found = figures(faulty)
    assert found["latency"]["p95_ms"] > 400
    # With a closed model only those in flight, one per sender, would have waited, of 600.
    assert found["service"]["p95_ms"] < 400


def test_server_that_stores_nothing(tmp_path: Path) -> None:
    """If a server answers 202 but stores no row, all acknowledged events are lost."""
    mine = Implementations(tmp_path)
    run = load(tmp_path, *mine.null_server(), "--rate", "60", "--for", "1s", "--patience", "1s")
    assert run.code == 1, run.text
    events = figures(run)["events"]
    assert (events["lost"], events["stored"]) == (events["acknowledged"], 0)
    assert (run.statuses[LOST], run.statuses[DOUBLED]) == ("fail", "pass")


def test_without_a_readback_nothing_is_proved(tmp_path: Path) -> None:
    """Without a readback the run ends with 4, or with 1 if an objective was missed; rates are measured."""
    mine = Implementations(tmp_path)
    words = ("--rate", "40", "--for", "1s", "--objective-p95", "0.001ms")
    run = load(tmp_path, *mine.server_alone(), *words)
    assert set(run.statuses.values()) == {"not-testable"}
    assert "no readback" in run.text
    assert (run.code, "the objective was missed: p95 " in run.text) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["http://192.0.2.1:8000"], 2, "load is sent to 127.0.0.1 and localhost only"),
        (["http://127.0.0.1:9"], 3, "nothing answers at http://127.0.0.1:9"),
        (["--for", "2"], 2, "'2' is not a duration: write 50ms, 90s, 10m or 1h"),
        (["--mix", "none.toml"], 2, "none.toml"),
        (["--report", "pdf=x"], 2, "write KIND=PATH"),
        (["--clickhouse", "http://127.0.0.1:1"], 2, "name it with --server or --server-cmd"),
        (["http://127.0.0.1:9", "--server-cmd", "x"], 2, "exclude each other"),
    ],
)
def test_what_cannot_be_meant(words: list[str], code: int, message: str) -> None:
    """Invalid usage is refused before anything is started, with the way out."""
    found = CliRunner().invoke(main, ["load", *words])
    assert found.exit_code == code, found.output
    assert message in found.output.replace("\n", " ")


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGINT during the load gives 130, stops Locust and the server, and leaves a readable record."""
    mine = Implementations(tmp_path)
    ended = interrupted(
        tmp_path,
        *("load", *mine.server(), "--rate", "50", "--for", "60s"),
        at_work=lambda: (tmp_path / "events.jsonl").stat().st_size > 0,
    )
    assert (ended.code, ended.left) == (130, {}), ended.errors
    assert all(name in ended.below for name in ("locustfile.py", "server.py"))
    assert "interrupted; the results until then are in clickport-load.jsonl" in ended.errors
    assert "Traceback" not in ended.errors
    assert read(tmp_path / "clickport-load.jsonl").interrupted


def test_a_shortage_of_the_senders_is_not_the_servers(tmp_path: Path) -> None:
    """If the senders lack open files, there is no verdict, and the message names the way out."""
    words = [sys.executable, "-m", "conformance", "load", "http://127.0.0.1:9", "--rate", "550"]
    done = subprocess.run(
        ["/bin/bash", "-c", f"ulimit -n 64; {shlex.join(words)}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "ulimit -n" in done.stderr


def test_a_host_is_loaded_only_if_it_is_named() -> None:
    """Another host than this machine must be allowed explicitly, by the name used in the URL."""
    require_local("http://127.0.0.1:8000")
    require_local("http://staging.example.:8000", ["staging.example."])
    with pytest.raises(RemoteTarget, match=r"--allow-host 192\.0\.2\.1"):
        require_local("http://192.0.2.1:8000")
    with pytest.raises(RemoteTarget):
        require_local("http://192.0.2.1:8000", ["192.0.2"])
