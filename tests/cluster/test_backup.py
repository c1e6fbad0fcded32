"""Backup of a cluster by FREEZE, and its restoration, as docs/scaling.md describes them."""

import shutil
from pathlib import Path

from reference_server.delivery.repair import repair
from reference_server.storage.embedded_cluster import LocalCluster
from reference_server.storage.rollups import ROLLUPS
from tests.cluster.conftest import Database, expected, row

TABLES = ("events", *(rollup.table for rollup in ROLLUPS))


def folder_of(database: Database, table: str, url: str) -> Path:
    """Return the folder in which a server keeps a table."""
    query = "SELECT data_paths[1] FROM system.tables WHERE database = currentDatabase() AND name = "
    return Path(database.ask(f"{query}'{table}_local'", url)[0][0])


def test_frozen_parts_are_restored_into_an_empty_cluster(
    database: Database, cluster: LocalCluster, tmp_path: Path
) -> None:
    """Events and rollups are those of the moment of the backup, on the same shards."""
    clients = database.clients()
    repair(clients, database.folder)
    database.load(clients, *(row(number) for number in range(600)))
    database.settle()
    restored = Database(cluster, "restored", tmp_path / "restored")
    repair(restored.clients(), restored.folder)
    for shard, old, new in zip(cluster.shards, database.urls, restored.urls, strict=True):
        for table in TABLES:
            database.ask(f"ALTER TABLE {table}_local FREEZE WITH NAME 'backup'", old)
            place = folder_of(database, table, old).relative_to(shard.data_dir)
            detached = folder_of(restored, table, new) / "detached"
            for part in (shard.data_dir / "shadow" / "backup" / place).iterdir():
                shutil.copytree(part, detached / part.name)
                restored.ask(f"ALTER TABLE {table}_local ATTACH PART '{part.name}'", new)
    database.load(clients, row(600))
    database.settle()
    assert restored.totals() == expected(600, 400)
    counts = [restored.ask("SELECT count() FROM events_local", url)[0][0] for url in restored.urls]
    assert min(counts) > 0
