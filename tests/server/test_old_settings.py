"""Import of the settings that earlier versions kept in SQLite."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.analytics.old_settings import import_settings
from reference_server.analytics.site_settings import Goal, Settings
from reference_server.storage.client import Clients

# As the version before wrote it.
OLD = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS timezones (site TEXT PRIMARY KEY, timezone TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS goals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (site, name)
);
CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (number INTEGER PRIMARY KEY, secret BLOB NOT NULL);
INSERT INTO secrets VALUES (1, x'00');
INSERT INTO logins VALUES ('a', 4000000000);
"""
SITE = "example.com"


def write(folder: Path, *goals: str, timezone: str = "Asia/Tokyo") -> Path:
    """Write a file of an earlier version, with goals whose ids begin with 1."""
    folder.mkdir(exist_ok=True)
    file = folder / "settings.sqlite"
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(OLD)
        db.execute("INSERT INTO timezones VALUES (?, ?)", (SITE, timezone))
        db.executemany("INSERT INTO goals (site, name) VALUES (?, ?)", [(SITE, name) for name in goals])
    return file


def test_settings_are_imported_once(settings: Settings, database: str, tmp_path: Path) -> None:
    """Goals keep their ids and order, new ones come after them, and the file is kept under another name."""
    file = write(tmp_path, "Signup", "a\0'\"\\🎉", "x" * 140_000)
    import_settings(Clients(database).get(), tmp_path)
    names = [(goal.id, goal.event_name) for goal in settings.goals(SITE)]
    assert names == [(1, "Signup"), (2, "a\0'\"\\🎉"), (3, "x" * 140_000)]
    assert settings.timezone(SITE) == "Asia/Tokyo"
    assert settings.add_goal(SITE, "New").event_name == settings.goals(SITE)[-1].event_name
    assert [each.name for each in tmp_path.glob("*sqlite*")] == ["settings.sqlite.imported"]
    assert not file.exists()


def test_an_interrupted_import_is_repeated(settings: Settings, database: str, tmp_path: Path) -> None:
    """Changes made meanwhile stay: a deleted goal does not return, nor does the old time zone."""
    write(tmp_path, "Signup", "Purchase")
    import_settings(Clients(database).get(), tmp_path)
    settings.delete_goal(SITE, 1)
    settings.set_timezone(SITE, "Europe/Berlin")
    (tmp_path / "settings.sqlite.imported").rename(tmp_path / "settings.sqlite")
    import_settings(Clients(database).get(), tmp_path)
    (tmp_path / "settings.changed").unlink()
    assert settings.goals(SITE) == (Goal(id=2, event_name="Purchase"),)
    assert settings.timezone(SITE) == "Europe/Berlin"


@pytest.mark.parametrize("order", [(0, 1), (1, 0), None], ids=["a first", "b first", "at once"])
def test_two_nodes_import(database: str, tmp_path: Path, order: tuple[int, int] | None) -> None:
    """All goals of both arrive with different ids, and one time zone counts, whatever the order."""
    folders = [tmp_path / "a", tmp_path / "b"]
    write(folders[0], "Signup", "Purchase")
    write(folders[1], "Contact", "Signup", timezone="Europe/Berlin")

    def import_(number: int) -> None:
        import_settings(Clients(database).get(), folders[number])

    with ThreadPoolExecutor(1 if order else 2) as pool:
        list(pool.map(import_, order or (0, 1)))
    settings = Settings(Clients(database), tmp_path)
    goals = settings.goals(SITE)
    assert sorted(goal.event_name for goal in goals) == ["Contact", "Purchase", "Signup"]
    assert len({goal.id for goal in goals}) == 3
    assert settings.timezone(SITE) == "Asia/Tokyo"


def test_a_damaged_file_stops_nothing(
    settings: Settings, database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file is kept, and the log names it."""
    write(tmp_path, "Signup").write_bytes(b"\xa5" * 8192)
    import_settings(Clients(database).get(), tmp_path)
    assert settings.goals(SITE) == ()
    assert [each.name for each in tmp_path.glob("*sqlite*")] == ["settings.sqlite.damaged"]
    assert "settings.sqlite is damaged" in caplog.text
