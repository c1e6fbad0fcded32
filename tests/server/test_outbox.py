"""The outbox: its events outlive the process, are inserted once, and are limited in size."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from reference_server.delivery.census import census
from reference_server.delivery.outbox import Batch, Outbox, StoreUnavailable
from reference_server.event import EventRow
from reference_server.storage.schema import decode_row, encode_row

MOST = 1024**2


def row(name: str, amount: str | None = None) -> EventRow:
    """Return a row with text of several kinds."""
    return EventRow(
        site_id="example.com",
        timestamp=datetime(2026, 11, 26, 12, 30, 0, 123456, tzinfo=UTC),
        type="event",
        name=name,
        visitor_id="v",
        session_id="s",
        pageview_id="p",
        hostname="example.com",
        pathname="/päth",
        referrer="",
        meta_keys=("a\0b", "🎉"),
        meta_values=("'\"\\", "\u2028"),
        revenue_source_amount=None if amount is None else Decimal(amount),
        revenue_source_currency="EUR" if amount else "",
    )


def line(name: str) -> bytes:
    """Return the row as the outbox contains it."""
    return encode_row(row(name))


def names(batch: Batch | None) -> list[str]:
    """Return the names of a batch's rows."""
    assert batch
    return [row.name for row in rows(batch)]


def rows(batch: Batch) -> list[EventRow]:
    """Return the rows of a batch."""
    return [decode_row(each) for each in batch.lines.split(b"\n")]


def test_rows_come_out_as_they_went_in(tmp_path: Path) -> None:
    """All columns are exact, the oldest row comes first, and the empty file is removed on close."""
    outbox = Outbox.create(tmp_path)
    sent = [row("one"), row("two", "49.990000000"), row("three", "-0.000000001")]
    outbox.add(encode_row(sent[0]))
    outbox.add(*map(encode_row, sent[1:]))
    batch = outbox.next_batch(10, MOST)
    assert batch
    assert rows(batch) == sent
    assert str(rows(batch)[1].revenue_source_amount) == "49.990000000"
    outbox.stored(batch)
    assert (outbox.next_batch(10, MOST), outbox.pending) == (None, 0)
    outbox.close()
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_is_repeated_with_the_same_rows(tmp_path: Path) -> None:
    """Later rows wait: under the same token ClickHouse would ignore them."""
    outbox = Outbox.create(tmp_path)
    outbox.add(line("one"))
    first = outbox.next_batch(10, MOST)
    outbox.add(line("two"))
    again = outbox.next_batch(10, MOST)
    assert first == again
    assert first
    outbox.stored(first)
    following = outbox.next_batch(10, MOST)
    assert names(following) == ["two"]
    assert following
    assert following.token != first.token


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    """Numbers continue after the outbox was empty; otherwise new rows would get an old token."""
    outbox = Outbox.create(tmp_path)
    tokens = set()
    for name in ("one", "two"):
        outbox.add(line(name))
        batch = outbox.next_batch(10, MOST)
        assert batch
        tokens.add(batch.token)
        outbox.stored(batch)
    assert len(tokens) == 2


def test_batches_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    """The oldest rows come first, at least one; events accepted together are not separated."""
    outbox = Outbox.create(tmp_path)
    for name in ("one", "two", "three"):
        outbox.add(line(name))
    assert names(outbox.next_batch(2, MOST)) == ["one", "two"]
    other = Outbox.create(tmp_path)
    for name in ("one", "two"):
        other.add(line(name))
    assert names(other.next_batch(10, 1)) == ["one"]
    for most, found in ((3, ["one", "two"]), (4, ["one", "two", "three", "four"]), (1, ["one", "two"])):
        blocks = Outbox.create(tmp_path)
        blocks.add(line("one"), line("two"))
        blocks.add(line("three"), line("four"))
        assert names(blocks.next_batch(most, MOST)) == found


def test_a_full_outbox_takes_nothing(tmp_path: Path) -> None:
    """StoreUnavailable names the pending events; space that is freed can be used."""
    outbox = Outbox.create(tmp_path, max_bytes=2 * len(line("three")))
    outbox.add(line("one"))
    outbox.add(line("two"))
    with pytest.raises(StoreUnavailable, match="outbox is full: 2 events wait"):
        outbox.add(line("three"))
    batch = outbox.next_batch(1, MOST)
    assert batch
    outbox.stored(batch)
    outbox.add(line("four"))
    assert outbox.pending == 2


def test_room_is_what_it_was_when_all_are_stored(tmp_path: Path) -> None:
    """Halves, batches and blocks add no byte to the account and remove none."""
    most = 1000 * len(line("n000"))
    outbox = Outbox.create(tmp_path, max_bytes=most)
    for _ in range(2):
        outbox.add(*(line(f"n{number:03}") for number in range(1000)))
        assert outbox.pending == 1000
        with pytest.raises(StoreUnavailable):
            outbox.add(b"x")
        for _ in range(3):
            batch = outbox.next_batch(300, MOST)
            assert batch
            outbox.halve(batch)
        while batch := outbox.next_batch(300, MOST):
            outbox.stored(batch)
    assert census(tmp_path).accepted == 2000


def test_what_is_refused_is_found_and_set_aside(tmp_path: Path) -> None:
    """The batch is halved until one row is left, which stays with its reason, and so does the file.

    Holds for rows added one by one or together.
    """
    sent = [f"n{number}" for number in range(9)]
    for bad, together in product(sent, range(1, 10)):
        folder = tmp_path / f"{bad}-{together}"
        outbox = Outbox.create(folder)
        for first in range(0, len(sent), together):
            outbox.add(*map(line, sent[first : first + together]))
        stored, tokens = [], set()
        while batch := outbox.next_batch(10, MOST):
            assert batch.token not in tokens
            tokens.add(batch.token)
            if bad not in names(batch):
                stored += names(batch)
                outbox.stored(batch)
            elif batch.count > 1:
                outbox.halve(batch)
            else:
                outbox.quarantine(batch, "no")
        assert stored == [name for name in sent if name != bad]
        found = census(folder)
        assert (found.accepted, found.pending, found.quarantined, outbox.pending) == (9, 0, 1, 0)
        outbox.close()
        assert census(folder).quarantined == 1


def test_what_a_killed_process_left_is_adopted_once(tmp_path: Path) -> None:
    """After a SIGKILL between an insert and its record, the same rows return under the same token."""
    program = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from reference_server.delivery.outbox import Outbox
        from tests.server.test_outbox import line
        outbox = Outbox.create(Path(sys.argv[1]))
        for name in ("one", "two", "three"):
            outbox.add(line(name))
        print(outbox.next_batch(2, 1000000).token, flush=True)
        sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    token = process.stdout.readline().strip()
    assert list(Outbox.abandoned(tmp_path)) == []  # Its process is running.
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    [outbox] = Outbox.abandoned(tmp_path)
    assert list(Outbox.abandoned(tmp_path)) == []  # This process holds it now.
    batch = outbox.next_batch(10, MOST)
    assert batch
    assert (batch.token, names(batch)) == (token, ["one", "two"])
    outbox.stored(batch)
    assert names(outbox.next_batch(10, MOST)) == ["three"]


def test_an_outbox_of_single_rows_is_adopted(tmp_path: Path) -> None:
    """Files of the first versions, with one row per event, contain acknowledged events too."""
    with closing(sqlite3.connect(tmp_path / "0.sqlite")) as db, db:
        db.executescript("""
            CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL);
            CREATE TABLE attempt (last INTEGER NOT NULL);
            CREATE TABLE quarantine (number INTEGER PRIMARY KEY, row BLOB NOT NULL, reason TEXT NOT NULL);
        """)
        db.executemany("INSERT INTO events (row) VALUES (?)", [(line(name),) for name in ("a", "b", "c")])
        db.execute("DELETE FROM events WHERE number = 1")
        db.execute("INSERT INTO attempt VALUES (2)")
    [outbox] = Outbox.abandoned(tmp_path)
    assert outbox.pending == 2
    batch = outbox.next_batch(10, MOST)
    assert batch
    assert (batch.token, names(batch)) == ("0:2-2", ["b"])
    outbox.stored(batch)
    assert names(outbox.next_batch(10, MOST)) == ["c"]
    assert census(tmp_path).accepted == 3


def opened(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open."""
    paths = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The descriptor of this listing is closed by now.
            paths.append(str(descriptor.readlink()))
    return [path for path in paths if path.startswith(f"{folder}/")]


def test_a_broken_file_is_reported_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An unreadable file stays in place however often it is opened, and the others are adopted."""
    broken = tmp_path / "0.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    other = Outbox.create(tmp_path)
    other.add(line("one"))
    other._db.close()  # As at the end of its process.
    os.close(other._lock_file)
    for _ in range(3):
        [adopted] = Outbox.abandoned(tmp_path)
        assert adopted.pending == 1
        os.close(adopted._lock_file)
        adopted._db.close()
    assert f"{broken} is damaged" in caplog.text
    assert broken.exists()
    assert opened(tmp_path) == []


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    """STORE-5: an event that finds no space is not acknowledged; later ones are stored."""
    program = """
        import resource, sqlite3, sys
        from pathlib import Path
        from reference_server.delivery.outbox import Outbox
        from tests.server.test_outbox import MOST, line, names

        outbox = Outbox.create(Path(sys.argv[1]))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        kept = []
        try:
            while True:
                outbox.add(line(name := f"n{len(kept)}"))
                kept.append(name)
        except sqlite3.OperationalError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        outbox.add(line("after"))
        stored = []
        while batch := outbox.next_batch(50, MOST):
            stored += names(batch)
            outbox.stored(batch)
        print(len(kept) > 10, stored == [*kept, "after"], outbox.pending)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    [error, found] = done.stdout.splitlines()
    assert error in ("disk I/O error", "database or disk is full")
    assert found == "True True 0"
