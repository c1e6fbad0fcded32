"""Damaged files of the state folder are kept and replaced, and stop neither events nor pages."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reference_server.state_file import StateFile
from reference_server.storage.embedded import LocalClickHouse
from tests.server.polling import WAIT

FILES = ("visits.sqlite", "usage_limits.sqlite")
EVENT = {"t": "e", "n": "Signup"}
TABLE = "CREATE TABLE IF NOT EXISTS texts (text TEXT)"


def _overwrite(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.write_bytes(b"\xa5" * max(file.stat().st_size, 8192))


def _empty(file: Path) -> None:
    _overwrite(file)
    file.write_bytes(b"")


def test_damaged_state_stops_no_events(start: Any, clickhouse: LocalClickHouse, tmp_path: Path) -> None:
    """Damage occurs while the server runs with two workers, and again before it starts."""
    options = ("--data", str(tmp_path), "--workers", "2")
    env = {"CLICKHOUSE_URL": clickhouse.url, "CLICKPORT_QUOTA": "1000000", "CLICKPORT_RATE_LIMIT": "1000000"}
    state = tmp_path / "state"

    def works(server: Any, site: str) -> None:
        for number in range(30):
            answer = server.post({**EVENT, "d": f"{site}-{number % 3}.example"})
            assert answer.status_code == 202, answer.text
        for path in (f"/{site}-0.example", f"/api/sites/{site}-0.example/goals", "/healthz"):
            assert server.http.get(path).status_code == 200, path

    with start(*options, **env) as server:
        works(server, "before")
        for name, damage in zip(FILES, (_overwrite, _empty), strict=True):
            damage(state / name)
        works(server, "after")
        server.process.terminate()
        _, errors = server.process.communicate(timeout=WAIT)
    for name, damage in zip(FILES, (_empty, _overwrite), strict=True):
        assert errors.count(f"{name} is damaged") == 1, errors
        assert len(list(state.glob(f"{name}.*.damaged"))) == 1
        damage(state / name)
    with start(*options, **env) as server:
        works(server, "again")


def test_a_file_is_begun_anew_once(tmp_path: Path) -> None:
    """If two have it open, the second finds the new file; other errors are raised to the caller."""
    first, second = StateFile(tmp_path / "a.sqlite", TABLE), StateFile(tmp_path / "a.sqlite", TABLE)
    first.ask("INSERT INTO texts VALUES ('before')")
    _overwrite(tmp_path / "a.sqlite")
    first.ask("INSERT INTO texts VALUES ('after')")
    assert second.ask("SELECT text FROM texts") == [("after",)]
    assert len(list(tmp_path.glob("*.damaged"))) == 1
    with pytest.raises(sqlite3.OperationalError):
        first.ask("no SQL")
    first.close()
    second.close()
