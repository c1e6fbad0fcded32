"""Import of the settings that earlier versions kept in a SQLite file of the state folder."""

import logging
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clickhouse_connect.driver.client import Client

from reference_server.analytics.site_settings import GOAL, TIMEZONE
from reference_server.storage import shared_tables
from reference_server.storage.shared_tables import Setting
from reference_server.text import well_formed

_LOG = logging.getLogger(__name__)
_FILE, _OLD_SITES = "settings.sqlite", "sites.sqlite"
# Larger than any id of the file, and smaller than the ids of new goals.
_FIRST_FREE = 2**33


def import_settings(client: Client, state_dir: Path) -> None:
    """Move time zones and goals to ClickHouse, once; the file is then kept as ``settings.sqlite.imported``.

    Interrupted and concurrent imports, also of files of several nodes, have one result: what was changed
    since counts, and of two files that disagree the same one counts everywhere. Logins are not imported.
    Raises clickhouse-connect's errors and OSError.
    """
    for suffix in ("", "-wal", "-shm"):  # Now found in ClickHouse (see ``ingest.sites``).
        (state_dir / f"{_OLD_SITES}{suffix}").unlink(missing_ok=True)
    file = state_dir / _FILE
    if not file.exists():
        return
    try:
        found = _read(file)
    except sqlite3.DatabaseError as error:
        kept = file.with_name(f"{_FILE}.damaged")
        _LOG.error("%s is damaged (%s): it is not imported, and kept as %s", file, error, kept)
        file.rename(kept)
        return
    for site, settings in found.items():
        shared_tables.write(client, site, settings)
        if changes := _separated(shared_tables.read(client, site)):
            shared_tables.write(client, site, changes)
    file.rename(file.with_name(f"{_FILE}.imported"))
    _LOG.warning("imported the settings of %d sites from %s to ClickHouse", len(found), file)


def _read(file: Path) -> dict[str, list[Setting]]:
    """Return the settings by site. Raises sqlite3.DatabaseError."""
    found: dict[str, list[Setting]] = {}
    with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as db:
        for site, timezone in db.execute("SELECT site, timezone FROM timezones"):
            found.setdefault(site, []).append(_imported(TIMEZONE, "", timezone))
        for site, name, number in db.execute("SELECT site, name, id FROM goals"):
            found.setdefault(site, []).append(_imported(GOAL, well_formed(name), str(number)))
        # Leaves no journal beside the renamed file.
        db.execute("PRAGMA journal_mode = DELETE")
    return found


def _imported(kind: str, name: str, value: str) -> Setting:
    """Return a setting older than any change in ClickHouse; its value decides between two files."""
    return Setting(kind=kind, name=name, value=value, version=1 + zlib.crc32(value.encode()))


def _separated(settings: Iterable[Setting]) -> list[Setting]:
    """Return goals to change so that no two of a site share an id, as those of two files may."""
    taken: set[str] = set()
    changes = []
    for each in sorted(settings, key=lambda setting: setting.name):
        if each.kind != GOAL:
            continue
        if each.value in taken:
            value = str(_FIRST_FREE + zlib.crc32(each.name.encode()))
            changes.append(replace(each, value=value, version=each.version + 1))
        taken.add(each.value)
    return changes
