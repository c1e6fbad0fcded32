"""Damaged outboxes are reported, kept and harmless to others; health and metrics need no disk."""

import os
import resource
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from reference_server.config import Config
from reference_server.delivery.census import census
from reference_server.delivery.counters import Counts
from reference_server.delivery.outbox import Outbox
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import encode_row
from reference_server.web.app import STALLED_SECONDS, create_app
from tests.server.polling import WAIT, until
from tests.server.reading import Sent

EVENTS = 300
EVENT = {"t": "e", "n": "Signup", "d": "example.com"}


def _fill(folder: Path, line: bytes) -> Path:
    """Leave an outbox as a killed process does, and return its file."""
    outbox = Outbox.create(folder)
    outbox.add(*[line] * EVENTS)
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._db.close()
    # A lock ends with its process.
    os.close(outbox._lock_file)
    return outbox.file


def _overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2 - 20_000)
        opened.write(b"\xa5" * 40_000)


def _head(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"\0" * 200)


def _shorten(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 3)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGE = {"overwritten": _overwrite, "head": _head, "shortened": _shorten, "emptied": _empty}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_outbox_is_counted_and_kept(tmp_path: Path, kind: str) -> None:
    """F7: the census names it, opening abandoned outboxes reports it once, and the others are opened."""
    row = Sent(name="Signup", properties=[("k", "v" * 400)]).row("example.com")
    files = sorted(_fill(tmp_path, encode_row(row)) for _ in range(2))
    DAMAGE[kind](files[0])
    size = files[0].stat().st_size
    opened = []
    for _ in range(2):
        for outbox in Outbox.abandoned(tmp_path):
            try:
                outbox.next_batch(EVENTS, 10**9)
            except sqlite3.Error as error:
                outbox.close(damage=str(error))
                continue
            if outbox.file == files[1]:
                opened.append(outbox.pending)
            outbox._db.close()
            os.close(outbox._lock_file)
    assert opened == [EVENTS, EVENTS]
    assert census(tmp_path).damaged == (files[0],)
    assert files[0].exists()
    assert files[0].stat().st_size >= size


def _figure(server: Any, name: str) -> float:
    text = server.http.get("/metrics").text
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def test_the_healthy_ones_are_loaded_beside_damaged_ones(
    start: Any, clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    """F7, F23: if the first outboxes are damaged, the last is stored, and no counter decreases."""
    options = ("--data", str(tmp_path))
    folder = tmp_path / "state" / "outbox"
    with start(*options, CLICKHOUSE_URL=clickhouse.url) as server:
        assert server.post(EVENT).status_code == 202
        server.settle()
        before = _figure(server, "clickport_events_accepted_total")
    sites = {}
    for number in range(len(DAMAGE) + 1):
        site = f"damage-{number}.example"
        row = Sent(name="From before", properties=[("k", "v" * 400)]).row(site)
        sites[_fill(folder, encode_row(row))] = site
    *damaged, healthy = sorted(sites)
    for file, damage in zip(damaged, DAMAGE.values(), strict=True):
        damage(file)
    with start(*options, CLICKHOUSE_URL=clickhouse.url) as server:
        address = f"/api/sites/{sites[healthy]}/events?period=all"
        until(
            lambda: sum(e["count"] for e in server.http.get(address).json()["events"]) == EVENTS,
            "the healthy outbox is not loaded",
        )
        until(lambda: not healthy.exists(), "the healthy outbox does not go")
        assert all(file.exists() for file in damaged)
        assert _figure(server, "clickport_events_damaged_outboxes") == len(damaged)
        assert _figure(server, "clickport_events_accepted_total") >= before + EVENTS
        assert server.post(EVENT).status_code == 202
        server.process.terminate()
        _, errors = server.process.communicate(timeout=WAIT)
    assert [errors.count(f"{file.name} is damaged") for file in damaged] == [1] * len(damaged), errors


def test_a_full_disk_does_not_look_healthy(start: Any, clickhouse: LocalClickHouse, tmp_path: Path) -> None:
    """F10: while no file can grow, events get 503, /healthz gives the reason, and refusals are counted."""
    with start("--data", str(tmp_path), CLICKHOUSE_URL=clickhouse.url) as server:
        assert server.post(EVENT).status_code == 202
        server.settle()
        workers = psutil.Process(server.process.pid).children(recursive=True)
        _, most = resource.prlimit(workers[0].pid, resource.RLIMIT_FSIZE)
        for worker in workers:
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, most))
        assert server.post(EVENT).status_code == 503
        health = server.http.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "unavailable")
        assert "the outbox cannot be written" in health.json()["reason"]
        assert _figure(server, 'clickport_events_refused_total{reason="backlog"}') == 1
        assert server.http.get("/example.com").status_code == 200
        for worker in workers:
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))
        assert server.post(EVENT).status_code == 202
        assert server.http.get("/healthz").status_code == 200


def test_counts_are_of_all_processes(tmp_path: Path) -> None:
    """Two instances share one file with its space allocated once."""
    first, second = Counts(tmp_path), Counts(tmp_path)
    first.add(quota=2)
    second.add(quota=1, malformed=1)
    assert (first.read()["quota"], second.read()["malformed"]) == (3, 1)
    first.close()
    second.close()


def test_an_outbox_that_goes_leaves_its_figures(tmp_path: Path) -> None:
    """F23: the totals still include its events."""
    counts = Counts(tmp_path)
    outbox = Outbox.create(tmp_path / "outbox")
    outbox.add(*(encode_row(Sent(name="Gone").row("example.com")) for _ in range(2)))
    batch = outbox.next_batch(10, 1000)
    assert batch
    assert census(tmp_path / "outbox").accepted == 2
    outbox._db.execute("DELETE FROM events")
    outbox.close(counts)
    assert counts.read()["gone_accepted"] == 2
    counts.close()


def test_each_process_tells_of_a_backlog_that_does_not_move(
    clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    """A stalled outbox of another process, running or not, makes /healthz answer 503 in every process."""
    started = time.monotonic() - STALLED_SECONDS - 1
    config = Config(clickhouse_url=clickhouse.url, state_dir=tmp_path, bound="127.0.0.1", started=started)
    other = Outbox.create(config.outbox_dir)
    client = create_app(config).test_client()
    assert client.get("/healthz").status_code == 200
    other.add(encode_row(Sent(name="Waits").row("example.com")))
    assert client.get("/healthz").status_code == 200
    os.pwrite(other._lock_file, bytes(8), 0)  # As if it had waited since the machine was started.
    health = client.get("/healthz")
    assert (health.status_code, health.get_json()["status"]) == (503, "unavailable")
    assert "an outbox has had pending events and stored none for 6" in health.get_json()["reason"]
    batch = other.next_batch(10, 1000)
    assert batch
    other.stored(batch)
    assert client.get("/healthz").status_code == 200
    other.close()
