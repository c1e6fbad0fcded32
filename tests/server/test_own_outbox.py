"""An outbox damaged while its process runs: readable events are stored once, and a new file takes over."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reference_server.delivery.census import census, longest_stall
from reference_server.delivery.outbox import Outbox
from reference_server.delivery.own_outbox import OwnOutbox
from tests.server.conftest import World
from tests.server.polling import WAIT, until
from tests.server.test_damage import DAMAGE
from tests.server.test_outbox import MOST, line, names

EVENTS = 300


def _numbered(number: int) -> bytes:
    return line(f"n{number:04}" + "x" * 5000)


def _checkpoint(file: Path) -> None:
    """Move everything into the main file, so that the next statement reads it from there."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnOutbox]:
    """An outbox with pending events."""
    own = OwnOutbox(partial(Outbox.create, tmp_path, durability="process"))
    for number in range(EVENTS):
        own.add(_numbered(number))
    _checkpoint(own.current.file)
    yield own
    own.close()


def _emptied(outboxes: Iterator[Outbox]) -> list[str]:
    """Store the events of outboxes and close them; return the names."""
    found = []
    for outbox in outboxes:
        while batch := outbox.next_batch(50, MOST):
            found += [name[:5] for name in names(batch)]
            outbox.stored(batch)
        outbox.close()
    return found


def _use(own: OwnOutbox) -> None:
    """Read all pending events as the loader does; start a new file if that fails."""
    outbox = own.current
    try:
        outbox.next_batch(EVENTS, 10**9)
    except sqlite3.Error as error:
        own.replace(outbox, error)


@pytest.mark.parametrize("kind", DAMAGE)
def test_events_are_taken_after_damage(own: OwnOutbox, tmp_path: Path, kind: str) -> None:
    """Whichever thread notices it, later events are stored, and the damaged file is kept and counted once."""
    damaged = own.current.file
    DAMAGE[kind](damaged)
    own.add(line("after"))
    _use(own)
    own.add(line("later"))
    own.contain()
    assert own.current.file != damaged
    assert damaged.exists()
    found = census(tmp_path)
    assert found.damaged == (damaged,)
    copied = _emptied(Outbox.abandoned(tmp_path))
    kept = _emptied(iter([own.current]))
    assert "later" in kept
    assert (copied + kept).count("after") == 1 or kind != "overwritten"
    assert len(copied) == len(set(copied))
    assert _emptied(Outbox.abandoned(tmp_path)) == []
    assert census(tmp_path).lost == EVENTS + 2 - len(copied + kept)
    own.current = Outbox.create(tmp_path)


def test_what_can_be_read_is_stored_once(own: OwnOutbox, tmp_path: Path) -> None:
    """Damage in the middle costs only the events there."""
    damaged = own.current.file
    DAMAGE["overwritten"](damaged)
    _use(own)
    own.contain()
    copied = _emptied(Outbox.abandoned(tmp_path))
    assert copied == sorted(copied)
    assert {"n0000", f"n{EVENTS - 1:04}"} < set(copied)
    assert 0 < EVENTS - len(copied) <= 40_000 // 5000 + 4
    found = census(tmp_path)
    assert (found.accepted, found.pending, found.stored) == (EVENTS, 0, len(copied))


def test_a_copy_goes_on_with_the_tokens_it_had(tmp_path: Path) -> None:
    """An event that ClickHouse may have keeps its token in the copy, so it is stored once."""
    own = OwnOutbox(partial(Outbox.create, tmp_path, durability="process"))
    for number in range(EVENTS):
        own.add(_numbered(number))
    name, before = own.current.name, own.current.next_batch(10, MOST)
    assert before
    _checkpoint(own.current.file)
    DAMAGE["overwritten"](own.current.file)
    own.replace(own.current, sqlite3.DatabaseError("the database disk image is malformed"))
    own.contain()
    [copy] = Outbox.abandoned(tmp_path)
    after = copy.next_batch(10, MOST)
    assert after
    assert (after.token, copy.name, after.lines) == (before.token, name, before.lines)
    copy.close()
    own.close()


@pytest.mark.parametrize("ends_at", ["write_mark", "rename"])
def test_a_copy_that_was_broken_off_is_made_once(
    own: OwnOutbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_at: str
) -> None:
    """If the process ends while it copies, the next one completes the copy, and makes no second one."""
    DAMAGE["overwritten"](own.current.file)
    _use(own)

    def end(*_: object) -> None:
        raise OSError("the process ends here")

    with monkeypatch.context() as patch:
        if ends_at == "write_mark":
            patch.setattr("reference_server.delivery.damage.write_mark", end)
        else:
            original = Path.rename
            patch.setattr(
                Path,
                "rename",
                lambda path, to: end() if path.suffix == ".salvage" else original(path, to),
            )
        own.contain()
    copied: list[str] = []
    for _ in range(3):
        copied += _emptied(Outbox.abandoned(tmp_path))
    assert EVENTS - 12 <= len(copied) < EVENTS
    assert len(copied) == len(set(copied))


def _swap_lines(db: sqlite3.Connection) -> None:
    db.execute("UPDATE events SET lines = 'no bytes' WHERE number = 7")


def _break_line(db: sqlite3.Connection) -> None:
    db.execute("UPDATE events SET lines = cast('\u00a5' || char(10) || 'x' AS BLOB) WHERE number = 7")


def _break_row(db: sqlite3.Connection) -> None:
    db.execute("UPDATE events SET lines = zeroblob(length(lines)) WHERE number = 7")


@pytest.mark.parametrize("change", [_swap_lines, _break_line, _break_row])
def test_foreign_bytes_are_damage(
    own: OwnOutbox, tmp_path: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    """SQLite has no checksums: malformed rows are not stored and delay no others."""
    with closing(sqlite3.connect(own.current.file)) as db, db:
        change(db)
    _use(own)
    own.contain()
    copied = _emptied(Outbox.abandoned(tmp_path))
    assert copied == [f"n{number:04}" for number in range(EVENTS) if number != 6]
    assert census(tmp_path).lost == 1


def test_a_full_disk_is_no_damage(own: OwnOutbox) -> None:
    """An error that is not about the content of the file keeps it in use."""
    file = own.current.file
    own.current._db.execute("PRAGMA query_only = 1")
    with pytest.raises(sqlite3.OperationalError):
        own.add(line("a"))
    assert own.current.file == file
    own.current._db.execute("PRAGMA query_only = 0")


def test_a_stall_is_seen_by_every_process(tmp_path: Path) -> None:
    """A stalled outbox is visible in every process, also after its own has ended."""
    own, other = Outbox.create(tmp_path), Outbox.create(tmp_path)
    assert longest_stall([tmp_path], 0.0) == 0.0
    other.add(line("waits"))
    began = longest_stall([tmp_path], 0.0)
    os.pwrite(other._lock_file, bytes(8), 0)  # As if nothing had been stored since the machine was started.
    own.add(line("moves"))
    assert longest_stall([tmp_path], 0.0) > began + 1
    batch = other.next_batch(10, MOST)
    assert batch
    other.stored(batch)
    other.add(line("waits again"))
    assert longest_stall([tmp_path], 0.0) < 1
    own.close()
    other.close()


def test_a_worker_goes_on_when_its_outbox_is_damaged(start: Any, world: World, tmp_path: Path) -> None:
    """F7 in a running process: events get 202 again, one log entry, and readable events are stored once."""
    world.clickhouse.start()
    with start("--data", str(tmp_path), CLICKHOUSE_URL=world.clickhouse.url) as server:
        world.clickhouse.stop()
        # More than SQLite caches, so that the file itself is read.
        large = {"t": "e", "d": "example.com", "mk": [f"k{n}" for n in range(30)], "mv": ["v" * 2000] * 30}
        for number in range(80):
            assert server.post({**large, "n": f"Before {number}"}).status_code == 202
        [file] = (tmp_path / "state" / "outbox").glob("*.sqlite")
        _checkpoint(file)
        DAMAGE["overwritten"](file)
        world.clickhouse.start()
        until(
            lambda: "damaged_outboxes 1\n" in server.http.get("/metrics").text, "the damage was not noticed"
        )
        for number in range(20):
            assert server.post({**large, "n": f"After {number}"}).status_code == 202
        server.settle()
        until(lambda: not list(file.parent.glob("*.rest.sqlite")), "the copy is not stored")
        [figure] = re.findall(r"\nclickport_events_unreadable (\d+)\n", server.http.get("/metrics").text)
        assert server.http.get("/healthz").status_code == 200
        server.process.terminate()
        _, errors = server.process.communicate(timeout=WAIT)
    stored = [name for [name] in world.ask("SELECT name FROM events")]
    assert len(stored) == len(set(stored))
    assert {f"After {number}" for number in range(20)} < set(stored)
    assert {"Before 0", "Before 79"} < set(stored)
    assert 0 < int(figure) == 100 - len(stored) < 10
    assert errors.count(file.name) == 1, errors
    assert "Traceback" not in errors
    assert file.exists()
