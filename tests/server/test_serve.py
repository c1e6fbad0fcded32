"""``python -m reference_server serve``: start, address line, and complete shutdown."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client

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


def ends(server: Any, temp: Path, number: signal.Signals) -> None:
    """Send a signal with a connection open: exit code 0, no process, port or folder left, no output."""
    server.http.get("/healthz")
    pids = descendants(server.process.pid)
    server.process.send_signal(number)
    out, err = server.process.communicate(timeout=20)
    assert (server.process.returncode, out, err) == (0, "", "")
    eventually(lambda: gone(pids))
    assert (listens(server.url), list(temp.iterdir())) == (False, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_takes_everything_down(
    start: Start, clickhouse: LocalClickHouse, temp: Path, number: signal.Signals
) -> None:
    """Ctrl-C and the end of the terminal leave nothing behind."""
    with start(TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
        ends(server, temp, number)


def test_one_line_says_where_it_is(start: Start, temp: Path) -> None:
    """The URL answers as soon as the line is printed; SIGTERM takes everything down, ClickHouse included."""
    with start(TMPDIR=str(temp)) as server:
        assert server.line.startswith(
            f"Clickport reference server on {server.url} (ClickHouse 26.9, data in {temp}/clickport-data-"
        )
        assert server.post(EVENT).status_code == 202
        assert any(_is_clickhouse(pid) for pid in descendants(server.process.pid))
        ends(server, temp, signal.SIGTERM)


def test_nohup_outlives_the_terminal(start: Start, clickhouse: LocalClickHouse) -> None:
    """A server that was started to ignore SIGHUP goes on; SIGTERM still ends it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with start(CLICKHOUSE_URL=clickhouse.url) as server:
            server.process.send_signal(signal.SIGHUP)
            assert server.post(EVENT).status_code == 202
            server.settle()
            assert server.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, before)
    assert server.process.returncode == 0


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


def test_two_workers_share_visitors_and_sessions(
    start: Start, clickhouse: LocalClickHouse, client: Client, token: str
) -> None:
    """STORE-4: a browser is one visitor in one session, in any process.

    Without --site, an event without a site belongs to the host that it was sent to.
    """
    with start("--workers", "2", CLICKHOUSE_URL=clickhouse.url) as server:
        for _ in range(20):
            httpx.post(f"{server.url}/api/event", json={"t": "e", "n": token}, trust_env=False, verify=False)
        server.settle()
    figures = "count(), uniqExact(visitor_id, session_id), any(site_id)"
    found = client.query(f"SELECT {figures} FROM events WHERE name = '{token}'").result_rows
    assert found == [(20, 1, "127.0.0.1")]


def test_sites_are_served_while_clickhouse_hangs(start: Start, clickhouse: LocalClickHouse) -> None:
    """A load balancer that waits for a few seconds must not take out a node that accepts events.

    Even if dashboards occupy all threads, sites still get their tracker.
    """
    with start(CLICKHOUSE_URL=clickhouse.url) as server, ExitStack() as stack:
        assert clickhouse.pid
        assert server.http.get("/openapi.json", timeout=10).status_code == 200
        os.kill(clickhouse.pid, signal.SIGSTOP)
        stack.callback(os.kill, clickhouse.pid, signal.SIGCONT)
        for _ in range(2):  # The first question still waits.
            health = server.http.get("/healthz", timeout=10)
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert server.post(EVENT).status_code == 202
        place = httpx.URL(server.url)

        def exhausted() -> bool:
            waiting = stack.enter_context(socket.create_connection((place.host, place.port or 0)))
            waiting.sendall(b"GET /api/sites/example.com/kpis HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                server.http.get("/openapi.json", timeout=1)
            except httpx.TimeoutException:
                return True
            return False

        eventually(exhausted)
        assert server.http.get("/tracker.js", timeout=10).status_code == 200
        assert server.http.get("/healthz", timeout=10).json()["status"] == "degraded"
        stack.close()
        eventually(lambda: server.http.get("/healthz").json()["status"] == "ok")


def test_what_clickhouse_does_not_take_is_kept(start: Start, tmp_path: Path, temp: Path) -> None:
    """STORE-5: events accepted while ClickHouse is away are stored by the next server.

    Meanwhile, a full outbox answers 503 with Retry-After and keeps what it has.
    """
    with LocalClickHouse(tmp_path / "clickhouse") as clickhouse:
        options = {"TMPDIR": str(temp), "CLICKPORT_MAX_BACKLOG": "1500"}
        with start(CLICKHOUSE_URL=clickhouse.url, **options) as server:
            clickhouse.stop()
            assert server.post(EVENT).status_code == 202
            health = server.http.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            answers = [server.post(EVENT) for _ in range(20)]
            full = next(answer for answer in answers if answer.status_code == 503)
            assert (full.headers["retry-after"], full.json()) == (
                "5",
                {"error": "the event could not be stored: try again"},
            )
            taken = 1 + sum(answer.status_code == 202 for answer in answers)
            assert 1 < taken < 20
            assert f"clickport_events_pending {taken}\n" in server.http.get("/metrics").text
            server.process.terminate()
            _, err = server.process.communicate(timeout=40)
        assert server.process.returncode == 3
        assert f"ClickHouse did not store {taken} acknowledged events, which are now in" in err
        [kept] = temp.glob("clickport-unstored-*")
        assert f"serve with --data {kept} to store them" in err
        clickhouse.start()
        with start("--data", str(kept), TMPDIR=str(temp), CLICKHOUSE_URL=clickhouse.url) as server:
            server.settle()
            client = connect(clickhouse.url)
            assert client.query("SELECT name FROM events").result_rows == [("Signup",)] * taken
            client.close()


def test_a_killed_worker_loses_nothing_and_is_replaced(
    start: Start, clickhouse: LocalClickHouse, client: Client, token: str
) -> None:
    """STORE-5: after a SIGKILL under load, another worker stores the acknowledged events once."""
    with start("--workers", "2", CLICKHOUSE_URL=clickhouse.url) as server:

        def workers() -> set[int]:
            return {pid for pid in descendants(server.process.pid) if _is_worker(pid)}

        before = workers()
        with ThreadPoolExecutor(4) as pool:
            posts = [pool.submit(_acknowledged, server.url, f"{token}-{number}") for number in range(200)]
            eventually(lambda: sum(post.done() for post in posts) > 50)
            os.kill(min(before), signal.SIGKILL)
            acknowledged = {post.result() for post in posts} - {None}
        eventually(lambda: len(workers() - {min(before)}) == 2)
        eventually(lambda: _acknowledged(server.url, "last") == "last")
        server.settle()
    query = f"SELECT session_id FROM events WHERE startsWith(session_id, '{token}-')"
    stored = [row[0] for row in client.query(query).result_rows]
    assert len(acknowledged) > 50
    assert (acknowledged - set(stored), len(stored) - len(set(stored))) == (set(), 0)


def test_a_clock_that_goes_back_loses_nothing(
    start: Start, clickhouse: LocalClickHouse, client: Client, tmp_path: Path, token: str
) -> None:
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
    with start(CLICKHOUSE_URL=clickhouse.url, **faked) as server:
        before = [_acknowledged(server.url, f"{token}-a{number}") for number in range(5)]
        server.settle()
        clock.write_text("-3600", encoding="ascii")
        after = [_acknowledged(server.url, f"{token}-b{number}") for number in range(5)]
        server.settle()
    columns = "session_id, timestamp > now() - 1800"
    query = f"SELECT {columns} FROM events WHERE startsWith(session_id, '{token}-')"
    stored = [(mark, recent) for mark, recent in client.query(query).result_rows]
    assert sorted(stored) == sorted([*((mark, 1) for mark in before), *((mark, 0) for mark in after)])


def _is_clickhouse(pid: int) -> bool:
    return b"_embedded_child" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _is_worker(pid: int) -> bool:
    """Return True for a worker, False for multiprocessing's resource tracker or ClickHouse."""
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _acknowledged(url: str, mark: str) -> str | None:
    """Post an event on a connection of its own; return its mark if it was acknowledged."""
    try:
        answer = httpx.post(
            f"{url}/api/event", json={**EVENT, "s": mark}, trust_env=False, timeout=20, verify=False
        )
    except httpx.TransportError:
        return None
    return mark if answer.status_code == 202 else None


def test_a_killed_server_takes_its_processes_along(start: Start, temp: Path) -> None:
    """After a SIGKILL, the worker and ClickHouse end by themselves, and the port is free."""
    with start(TMPDIR=str(temp)) as server:
        pids = descendants(server.process.pid)
        server.process.kill()
        eventually(lambda: gone(pids))
        assert not listens(server.url)


def test_a_port_in_use_is_reported() -> None:
    """The exit code is 3, and the message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert (done.returncode, done.stdout, done.stderr) == (
        3,
        "",
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use (by another server?): "
        "choose another --port\n",
    )


def test_a_clickhouse_that_does_not_answer_is_reported() -> None:
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
