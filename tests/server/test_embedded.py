"""The embedded ClickHouse may die at any time: events are accepted, and stored when it runs again."""

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from reference_server.storage.client import connect
from tests.server.polling import WAIT, until


def _clickhouse(server: psutil.Process) -> psutil.Process | None:
    """Return the process of the embedded ClickHouse, or None."""
    for child in server.children(recursive=True):
        try:
            if any("_child.py" in word for word in child.cmdline()):
                return child
        except psutil.NoSuchProcess:
            continue
    return None


def test_a_killed_clickhouse_comes_back_and_loses_nothing(start: Any, tmp_path: Path) -> None:
    """After two SIGKILLs, the last one during the start, every event has its 202 and one row."""
    with start("--data", str(tmp_path)) as server:
        process = psutil.Process(server.process.pid)
        sent = 0

        def send(number: int) -> None:
            nonlocal sent
            for _ in range(number):
                sent += 1
                body = {"t": "e", "n": f"Signup {sent}", "d": "example.com", "mk": ["k"], "mv": ["v"]}
                assert server.post(body).status_code == 202

        send(20)
        for wait_for_answer in (False, True):
            victim = until(lambda: _clickhouse(process), "ClickHouse does not run")
            victim.send_signal(signal.SIGKILL)
            victim.wait(WAIT)
            send(20)
            if wait_for_answer:
                until(lambda: server.http.get("/healthz").json().get("clickhouse"), "no ClickHouse")
            send(20)
        server.settle()
        names = set()
        answer = server.http.get("/api/sites/example.com/events", params={"limit": 1000}).json()
        for row in answer["events"]:
            assert row["count"] == 1, row
            names.add(row["name"])
        assert names == {f"Signup {number + 1}" for number in range(sent)}
        server.process.send_signal(signal.SIGTERM)
        _, errors = server.process.communicate(timeout=WAIT)
    assert "Traceback" not in errors, errors
    assert errors.count("the embedded ClickHouse ended") == 2, errors
    assert "runs again after" in errors
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hidden@host:port/db",
        "clickhouse://me:hidden@host",
        "me:hidden@host:8123",
        "http:/me:hidden@host",
        "http://me:hid/den@host:8123",
        "https://me:hid#den@host:8123",
    ],
)
def test_a_mistyped_url_shows_no_password(url: str) -> None:
    """F16: neither the message nor its cause shows any part of the password."""
    with pytest.raises(ValueError, match="is not a ClickHouse URL") as caught:
        connect(url)
    told = f"{caught.value!r} {caught.value.__cause__!r}"
    for part in ("hidden", "hid", "den@"):
        assert part not in told
