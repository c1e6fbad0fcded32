"""``python -m reference_server serve``: start, address line, and complete shutdown."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse
from tests.server.polling import until

Start = Callable[..., Any]
EVENT = {"t": "e", "n": "Signup", "d": "example.com"}


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """A folder for temporary files of the started processes."""
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def descendants(pid: int) -> set[int]:
    """Return the process ids of all descendants of a process."""
    children = {
        int(line.split()[0])
        for line in subprocess.run(
            ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if int(line.split()[1]) == pid
    }
    return children.union(*map(descendants, children))


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for a condition, with the deadline of ``until``."""
    until(holds, "the condition did not become true within a minute")


def gone(pids: set[int]) -> bool:
    """Return True if none of the processes exists."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def listens(url: str) -> bool:
    """Return True if the port accepts connections."""
    try:
        socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0), timeout=1).close()
    except OSError:
        return False
    return True


def run(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``serve`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "reference_server", "serve", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_everything_down(start: Start, temp: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM, with a connection open: exit code 0, no process, port or folder left, no output."""
    with start(TMPDIR=str(temp)) as server:
        server.http.get("/healthz")
        pids = descendants(server.process.pid)
        server.process.send_signal(number)
        out, err = server.process.communicate(timeout=20)
        assert (server.process.returncode, out, err) == (0, "", "")
        eventually(lambda: gone(pids))
        assert (listens(server.url), list(temp.iterdir())) == (False, [])


def test_one_line_says_where_it_is(start: Start, temp: Path) -> None:
    """The URL answers as soon as the line is printed."""
    with start(TMPDIR=str(temp)) as server:
        assert server.line.startswith(
            f"Clickport reference server on {server.url} (ClickHouse 26.9, data in {temp}/clickport-data-"
        )
        assert server.post(EVENT).status_code == 202


def test_a_kept_folder_keeps_the_events(start: Start, tmp_path: Path, temp: Path) -> None:
    """--data: acknowledged events exist after a restart, and nothing outside the folder remains."""
    data = tmp_path / "data"
    with start("--data", str(data), TMPDIR=str(temp)) as server:
        assert server.post(EVENT).status_code == 202
    with LocalClickHouse(data / "clickhouse") as clickhouse:
        client = connect(clickhouse.url)
        assert client.query("SELECT name FROM events").result_rows == [("Signup",)]
        client.close()
    assert list(temp.iterdir()) == []


def test_two_workers_share_visitors_and_sessions(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-4: a browser is one visitor in one session, in any process."""
    with LocalClickHouse(tmp_path / "clickhouse") as clickhouse:
        with start("--workers", "2", TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
            for _ in range(20):
                httpx.post(f"{server.url}/api/event", json=EVENT, trust_env=False)
        client = connect(clickhouse.url)
        query = "SELECT count(), uniqExact(visitor_id, session_id) FROM events"
        assert client.query(query).result_rows == [(20, 1)]
        client.close()


def test_without_sites_every_site_is_welcome(start: Start, tmp_path: Path, temp: Path) -> None:
    """An event without a site belongs to the host that it was sent to."""
    with LocalClickHouse(tmp_path / "clickhouse") as clickhouse:
        with start(TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
            server.post({"t": "e", "n": "Signup"})
        client = connect(clickhouse.url)
        assert client.query("SELECT site_id FROM events").result_rows == [("127.0.0.1",)]
        client.close()


def test_what_clickhouse_does_not_take_is_kept(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-5: events accepted while ClickHouse is away are stored by the next server."""
    with LocalClickHouse(tmp_path / "clickhouse") as clickhouse:
        with start(TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
            clickhouse.stop()
            assert server.post(EVENT).status_code == 202
            health = server.http.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            server.process.terminate()
            _, err = server.process.communicate(timeout=40)
        assert server.process.returncode == 3
        assert "ClickHouse did not store 1 acknowledged events, which are now in" in err
        [kept] = temp.glob("clickport-unstored-*")
        assert f"serve with --data {kept} to store them" in err
        clickhouse.start()
        with start("--data", str(kept), TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
            server.settle()
            client = connect(clickhouse.url)
            assert client.query("SELECT name FROM events").result_rows == [("Signup",)]
            client.close()


def test_a_full_outbox_is_told(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-5: a full outbox answers 503 with Retry-After and keeps what it has."""
    with LocalClickHouse(tmp_path / "clickhouse") as clickhouse:
        options = {"TMPDIR": str(temp), "CLICKHOUSE_URL": clickhouse.url, "CLICKPORT_MAX_BACKLOG": "1500"}
        with start("--data", str(tmp_path / "data"), **options) as server:
            clickhouse.stop()
            answers = [server.post(EVENT) for _ in range(20)]
            taken = [answer for answer in answers if answer.status_code == 202]
            full = next(answer for answer in answers if answer.status_code == 503)
            assert (full.headers["retry-after"], full.json()) == (
                "5",
                {"error": "the event could not be stored: try again"},
            )
            assert 0 < len(taken) < 20
            assert f"clickport_events_pending {len(taken)}\n" in server.http.get("/metrics").text


def test_a_killed_worker_loses_nothing(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-5: after a SIGKILL under load, another worker stores the acknowledged events once."""
    with (
        LocalClickHouse(tmp_path / "clickhouse") as clickhouse,
        start("--workers", "2", TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server,
    ):
        workers = [pid for pid in descendants(server.process.pid) if _is_worker(pid)]
        with ThreadPoolExecutor(4) as pool:
            posts = [pool.submit(_acknowledged, server.url, f"m{number}") for number in range(400)]
            eventually(lambda: sum(post.done() for post in posts) > 100)
            os.kill(workers[0], signal.SIGKILL)
            acknowledged = {post.result() for post in posts} - {None}
        eventually(lambda: _acknowledged(server.url, "last") == "last")
        server.settle()
        client = connect(clickhouse.url)
        stored = [row[0] for row in client.query("SELECT session_id FROM events").result_rows]
        client.close()
    assert len(acknowledged) > 100
    assert (acknowledged - set(stored), len(stored) - len(set(stored))) == (set(), 0)


def test_a_clock_that_goes_back_loses_nothing(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-5: events acknowledged an hour "before" stored ones are stored too, once."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if not library:
        pytest.skip("libfaketime is not installed (apt-get install faketime; tools/setup.sh does)")
    clock = tmp_path / "clock"
    clock.write_text("+0", encoding="ascii")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with (
        LocalClickHouse(tmp_path / "clickhouse") as clickhouse,
        start(TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url, **faked) as server,
    ):
        before = [_acknowledged(server.url, f"a{number}") for number in range(20)]
        server.settle()
        clock.write_text("-3600", encoding="ascii")
        after = [_acknowledged(server.url, f"b{number}") for number in range(20)]
        server.settle()
        client = connect(clickhouse.url)
        rows = client.query("SELECT session_id, timestamp > now() - 1800 FROM events").result_rows
        stored = [(mark, recent) for mark, recent in rows]
        client.close()
    assert sorted(stored) == sorted([*((mark, 1) for mark in before), *((mark, 0) for mark in after)])


def _is_worker(pid: int) -> bool:
    """Return True for a worker, False for multiprocessing's resource tracker or ClickHouse."""
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _acknowledged(url: str, mark: str) -> str | None:
    """Post an event on a connection of its own; return its mark if it was acknowledged."""
    try:
        answer = httpx.post(f"{url}/api/event", json={**EVENT, "s": mark}, trust_env=False, timeout=20)
    except httpx.TransportError:
        return None
    return mark if answer.status_code == 202 else None


def test_a_killed_server_takes_its_processes_along(start: Start, temp: Path) -> None:
    """After a SIGKILL, the workers and ClickHouse end by themselves, and the port is free."""
    with start("--workers", "2", TMPDIR=str(temp)) as server:
        pids = descendants(server.process.pid)
        server.process.kill()
        eventually(lambda: gone(pids))
        assert not listens(server.url)


def test_a_killed_worker_is_replaced(start: Start, temp: Path) -> None:
    """The server continues after a worker has crashed."""
    with start(TMPDIR=str(temp)) as server:
        [worker] = [
            pid
            for pid in descendants(server.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)

        def serves() -> bool:
            try:
                return httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        eventually(lambda: gone({worker}))
        eventually(serves)


def test_a_port_in_use_is_told() -> None:
    """The exit code is 3, and the message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert (done.returncode, done.stdout, done.stderr) == (
        3,
        "",
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use\n",
    )


def test_a_clickhouse_that_does_not_answer_is_told() -> None:
    """The exit code is 3; the message shows the address but not the password."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    done = run("--port", "0", CLICKHOUSE_URL=f"http://me:secret@127.0.0.1:{port}/default")
    assert done.returncode == 3
    assert f"ClickHouse at http://***@127.0.0.1:{port}/default cannot be used" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "options", [["--port", "70000"], ["--port", "x"], ["--workers", "0"], ["--nonsense"]]
)
def test_unusable_options_are_usage_errors(options: list[str]) -> None:
    """The exit code is 2."""
    assert run(*options).returncode == 2


def test_an_unusable_variable_is_named() -> None:
    """An invalid setting is an error at the start, not at the first event."""
    done = run("--port", "0", CLICKPORT_MAX_BODY="much")
    assert done.returncode == 3
    assert "CLICKPORT_MAX_BODY='much' cannot be used" in done.stderr
