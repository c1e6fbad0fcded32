"""Exit codes and messages of runs that cannot give a verdict."""

import socket
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]


@pytest.mark.parametrize("slip", ["prop-22", "PORP-2", "prop-2-31-propertys"])
def test_slip_in_a_selector_is_usage(check: "Check", mine: "Implementations", slip: str) -> None:
    """An unknown id ends with 2 and suggests the intended id."""
    run = check("--tracker", mine.tracker(), "--only", slip)
    assert run.code == 2
    assert "did you mean" in run.text
    assert "prop-2" in run.text.partition("did you mean")[2].lower()


def test_selector_of_another_lane_is_usage(check: "Check", mine: "Implementations") -> None:
    """A selector that leaves no case in the lanes of the run ends with 2."""
    run = check("--tracker", mine.tracker(), "--only", "server/store-1-plain")
    assert run.code == 2
    assert "leave no case of the lanes that would run (tracker)" in run.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--report", "xml=report.xml"), "where KIND is one of json, junit, html, md"),
        (("--report", "report.json"), "write KIND=PATH"),
        (("--lane", "server"), "--lane server needs a server"),
        (("--server", "http://a", "--server-app", "a:b"), "--server and --server-app exclude each other"),
        (("--readback-cmd", "rows"), "name it with --server or --server-cmd"),
        (("--envelope", "d=example.com"), "--envelope must be a JSON object"),
    ],
)
def test_options_that_cannot_be_meant_are_usage(
    check: "Check", mine: "Implementations", options: tuple[str, ...], said: str
) -> None:
    """A bad option ends with 2, says what to write, and leaves no record."""
    run = check("--tracker", mine.tracker(), *options)
    assert run.code == 2
    assert said in run.text
    assert not (mine.folder / "clickport-run.jsonl").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--server", "http://127.0.0.1:99999"),
        ("--server-cmd", "serve 'unclosed"),
        ("--server-cmd", " "),
        ("--clickhouse", "http://127.0.0.1:port"),
        ("--clickhouse", "http://127.0.0.1:1", "--table", "no table"),
        ("--readback-cmd", "rows 'unclosed"),
    ],
)
def test_malformed_values_are_no_violation(
    check: "Check", mine: "Implementations", options: tuple[str, ...]
) -> None:
    """An unreadable value ends with 2 or 3 and a message, not with a traceback and 1 (a violation)."""
    server = [] if options[0].startswith("--server") else mine.server_alone()
    run = check(*server, *options)
    assert run.code in (2, 3), run.text
    assert "Traceback" not in run.err


def test_port_in_a_readback_of_a_foreign_server(check: "Check") -> None:
    """{port} in a readback needs a server started by the run: else 2 or 3, and a message."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        run = check("--server", url, "--readback-cmd", "rows {port}")
    assert run.code in (2, 3), run.text
    assert "{port}" in run.text
    assert "Traceback" not in run.err


def test_dead_server_could_not_run(check: "Check") -> None:
    """A server that is not running ends with 3, without the wait for a server that starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        run = check("--server", url)
    assert run.code == 3
    assert f"nothing answers at {url}" in run.text
    assert run.seconds < 30


def test_missing_tracker_could_not_run(check: "Check") -> None:
    """A missing tracker file ends with 3 and is named."""
    run = check("--tracker", "dist/missing.js")
    assert run.code == 3
    assert "could not read the tracker dist/missing.js: No such file" in run.text


def test_server_that_dies_at_the_start_could_not_run(check: "Check") -> None:
    """A server command that ends immediately ends the run with 3 and shows its output."""
    run = check("--server-cmd", "sh -c 'echo no database here >&2; exit 7' {port}")
    assert run.code == 3
    assert "ended with exit code 7" in run.text
    assert "no database here" in run.text


def test_readback_that_fails_could_not_run(check: "Check", mine: "Implementations") -> None:
    """A readback that cannot run ends with 3, is named, and costs no waiting."""
    unreadable = ["--readback-cmd", "no-such-readback --since {since}"]
    run = check(*mine.server_alone(), *unreadable, "--only", "store-1-plain", "--only", "server/wire-6-*")
    assert run.code == 3, run.text
    assert "no-such-readback" in run.text
    assert run.seconds < 90


def test_server_without_a_readback_is_inconclusive(check: "Check", mine: "Implementations") -> None:
    """Without a readback, answers are checked, and MUSTs about rows are named as not verified: 4."""
    run = check(*mine.server_alone(), "--skip", "*-verbatim-*", "--max-examples", "0")
    assert run.code == 4, run.text
    assert run.violated == set()
    open_ = {r["id"] for r in run.report["requirements"] if r["level"] == "MUST" and r["status"] != "pass"}
    open_ -= {"QUOTA-1"}  # The requirement does not apply to a server without a usage API.
    assert {"STORE-1", "STORE-2", "STORE-3", "PROP-1", "PROP-2", "REV-1", "DASH-4"} <= open_
    assert "WIRE-6" not in open_
    named = run.out.rpartition("Not verified:")[2]
    assert [id_ for id_ in open_ if id_ not in named] == []
    assert "--readback-cmd" in run.text


def test_unreachable_readback_is_no_lost_event(check: "Check", mine: "Implementations") -> None:
    """A readback URL that answers 404 is a mistake of the caller: 3, never a violation."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{httpd.server_port}/rows"
        run = check(*mine.server_alone(), "--readback-url", url, "--only", "store-1-plain")
    finally:
        httpd.shutdown()
        httpd.server_close()
    assert run.code == 3, run.text
    assert "404" in run.text


def test_a_selection_is_green_and_says_so(check: "Check", mine: "Implementations") -> None:
    """A run of selected cases ends with 0 if they pass, and its verdict begins with their number."""
    run = check("--tracker", mine.tracker(), "--only", "api-1", "--only", "tracker/prop-2-31-properties")
    assert run.code == 0, run.text
    assert (run.report["conformant"], run.report["partial"]) == (True, True)
    assert run.report["verdict"] == "conformant in what was selected: 2 of 20 MUSTs, 1 of them in part"


@pytest.mark.parametrize(
    "only", [("--only", "api-1"), ("--only", "tracker/rev-1-three-decimals"), ("--shard", "1/120")]
)
def test_for_a_certificate_a_selection_is_not_enough(
    check: "Check", mine: "Implementations", only: tuple[str, str]
) -> None:
    """With --require-all, requirements that are not selected count as not verified: 4."""
    run = check("--tracker", mine.tracker(), *only, "--require-all", "--max-examples", "0")
    assert set(run.statuses.values()) <= {"pass", "observed"}, run.text
    assert run.code == 4
    assert run.report["conformant"] is None


def test_a_selection_that_cannot_be_verified_is_inconclusive(check: "Check", mine: "Implementations") -> None:
    """Without a readback, a selected MUST about rows is not verified: 4."""
    run = check(*mine.server_alone(), "--only", "store-1-plain", "--only", "server/wire-6-*")
    assert run.code == 4, run.text
    assert "conformant in everything that was verified: 1 of 2 selected MUSTs" in run.text


def test_a_waiver_is_in_every_report(check: "Check", mine: "Implementations") -> None:
    """A waived requirement does not affect the exit code, and every report states the reason."""
    kinds = {"junit": "r.xml", "html": "r.html", "md": "r.md"}
    reports = [word for kind, name in kinds.items() for word in ("--report", f"{kind}={name}")]
    (mine.folder / "clickport.toml").write_text(
        '[[waive]]\nrequirement = "STORE-1"\nreason = "no rows to read"\n', encoding="utf-8"
    )
    options = ["--only", "store-1-plain", "--only", "wire-6", "--only", "quota-1", "--max-examples", "0"]
    run = check(*mine.server_alone(), *options, "--waive", "QUOTA-1=no usage API", *reports)
    assert run.code == 0, run.text
    assert [(w["requirement"], w["reason"]) for w in run.report["waived"]] == [
        ("STORE-1", "no rows to read"),
        ("QUOTA-1", "no usage API"),
    ]
    texts = {name: (run.folder / name).read_text(encoding="utf-8") for name in kinds.values()}
    texts |= {"console": run.text, "record": (run.folder / "clickport-run.jsonl").read_text(encoding="utf-8")}
    for where, text in texts.items():
        assert ("no usage API" in text, "no rows to read" in text) == (True, True), where


def test_a_waiver_is_strict(check: "Check", mine: "Implementations") -> None:
    """A waiver of a verified requirement ends with 1, like a stale baseline; an unknown id with 2."""
    only = (*mine.server(), "--only", "store-1-plain")
    run = check(*only, "--waive", "STORE-1=no rows")
    assert (run.code, run.violated) == (1, set()), run.text
    assert "STORE-1 was verified: remove its waiver" in run.text
    slip = check(*only, "--waive", "QUTOA-1=no usage API")
    assert slip.code == 2
    assert "did you mean QUOTA-1?" in slip.text


def test_an_empty_shard_is_usage(check: "Check", mine: "Implementations") -> None:
    """A shard without a case is a usage error before anything is started."""
    shards = [f"{number}/4" for number in range(1, 5)]
    only = ("--tracker", mine.tracker(), "--only", "tracker/api-1-track-is-a-function")
    codes = {shard: check(*only, "--shard", shard).code for shard in shards}
    assert sorted(codes.values()) == [0, 2, 2, 2]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
