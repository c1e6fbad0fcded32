"""Tables of a cluster: created by several nodes at once, after interruptions, and from a single server's."""

import re
import threading
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from reference_server.delivery.repair import repair
from reference_server.storage.client import Clients
from reference_server.storage.embedded_cluster import LocalCluster
from reference_server.storage.layout import BadCluster, Host, Layout
from reference_server.storage.rollups import ROLLUPS
from reference_server.storage.schema import TABLES as SMALL
from tests.cluster.conftest import Database, expected, row

ROWS = tuple(row(number) for number in range(600))
TABLES = (*(table.name for table in SMALL), *(rollup.table for rollup in ROLLUPS))
_FOUND = (
    "SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE 'staging%'"
)


def names(database: Database, url: str) -> list[str]:
    """Return the tables of a server: those over all shards with a plus."""
    return [name + "+" * (engine == "Distributed") for name, engine in database.ask(_FOUND, url)]


ALL = sorted([*(f"{name}+" for name in TABLES), *(f"{name}_local" for name in TABLES), "schema_migrations"])


def test_two_nodes_create_the_tables_at_once(database: Database) -> None:
    """Every shard has every table, and neither node fails."""
    barrier = threading.Barrier(2)
    failures: list[Exception] = []

    def migrate(folder: Path) -> None:
        barrier.wait(20)
        try:
            repair(database.clients(), folder)
        except Exception as error:
            failures.append(error)

    nodes = [threading.Thread(target=migrate, args=(database.folder / str(number),)) for number in range(2)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert failures == []
    assert [sorted(names(database, url)) for url in database.urls] == [ALL, ALL]


@pytest.mark.parametrize("renamed", [0, 2])
def test_a_single_server_becomes_the_first_shard(database: Database, renamed: int) -> None:
    """Its rows count once, with those that come later, although the change was interrupted."""
    single = Clients(database.urls[0])
    repair(single, database.folder)
    database.load(single, *ROWS)
    database.settle()
    database.close()
    for name in TABLES[:renamed]:
        database.ask(f"RENAME TABLE {name} TO {name}_local")
    clients = database.clients()
    repair(clients, database.folder)
    database.load(clients, *(row(number) for number in range(600, 900)))
    database.settle()
    assert database.totals() == expected(900, 600)
    assert [sorted(names(database, url)) for url in database.urls] == [ALL, ALL]


def test_a_single_server_must_be_the_first_shard(database: Database) -> None:
    """Rows that wait in an outbox belong to the shard that was the single server."""
    repair(Clients(database.urls[1]), database.folder)
    with pytest.raises(BadCluster, match="must be shard 1"):
        repair(database.clients(), database.folder)


def test_a_node_starts_while_a_shard_is_away(database: Database, cluster: LocalCluster) -> None:
    """Once all tables exist, a node needs only one server that answers; before, it names the host."""
    shard = cluster.shards[1]
    shard.stop()
    try:
        with pytest.raises(BadCluster, match=rf"shard 2 replica 1 \(127.0.0.1:{cluster.ports[1]}\)"):
            repair(database.clients(), database.folder)
    finally:
        shard.start()
    repair(database.clients(), database.folder)
    clients = database.clients()
    clients._first = 1  # The list begins with the server that will be away.
    clients.answers()
    shard.stop()
    try:
        assert clients.run(lambda client: client.command("SELECT 1")) == 1
        repair(database.clients(), database.folder)
        with pytest.raises(DatabaseError, match="All connection tries failed"):
            database.clients().answers()  # The health of a node says so.
    finally:
        shard.start()


def test_a_url_that_cannot_be_used_is_told_with_the_reason(database: Database) -> None:
    """The warning about a shard with a wrong password names it; otherwise it would seem to be away."""
    first, second = database.urls
    wrong = re.sub(r":\w+@", ":wrong@", second)
    place = re.escape(wrong.replace("clickport:wrong", "***"))
    with pytest.raises(BadCluster, match=f"shard 2 .* does not answer .*; {place} cannot be used: .* 403"):
        repair(database.clients(first, wrong), database.folder)


def test_urls_of_different_databases_are_refused(database: Database) -> None:
    """Rows that are stored through one server would not be seen through another one."""
    name = database.urls[0].rpartition("/")[2]
    with pytest.raises(ValueError, match=f"name the databases other and {name}: all must") as refused:
        database.clients(database.urls[0], "http://clickport:secret@127.0.0.1:9/other")
    assert "secret" not in str(refused.value)


def test_an_unknown_cluster_is_named_with_those_that_exist(database: Database) -> None:
    """The message has what was asked for, and the choice."""
    with pytest.raises(BadCluster, match=r"'another' is not a cluster .* knows: clickport\."):
        repair(Clients(database.urls[0], "another"), database.folder)


def test_replicas_get_paths_and_windows_of_keeper() -> None:
    """The embedded servers have no Keeper, so only the statement is checked."""
    host = Host(shard=1, replica=1, name="one", port=9000)
    layout = Layout(cluster="c", hosts=(host,), replicated=True, queue=True)
    made = layout.create("goals", "id UInt32", "ReplacingMergeTree(id)", "ORDER BY id")
    assert made == (
        "CREATE TABLE IF NOT EXISTS goals_local ON CLUSTER `c` (id UInt32) ENGINE = "
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/goals', '{replica}', id) "
        "ORDER BY id SETTINGS replicated_deduplication_window = 10000, "
        "replicated_deduplication_window_seconds = 2592000"
    )
