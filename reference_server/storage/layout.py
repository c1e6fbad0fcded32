"""Names and engines of the tables on one ClickHouse, or on the shards of a cluster.

On a cluster, each shard keeps its part of a table in ``NAME_local``, and a ``Distributed`` table has the
name that queries use. Queries are therefore the same in both cases.
"""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

SESSION_KEY = "cityHash64(session_id)"
"""Sharding key of events: the rows of a session stay together."""

# Tokens must be known for as long as an ingest node may be unable to repeat a statement.
_DEDUPLICATION = "deduplication_window = 10000"
_REMEMBERED = f"replicated_deduplication_window_seconds = {30 * 24 * 3600}"
_NO_QUEUE = {60, 139, 999}  # UNKNOWN_TABLE, NO_ELEMENTS_IN_CONFIG, KEEPER_EXCEPTION

_HOSTS = """
SELECT shard_num, replica_num, host_name, port FROM system.clusters
WHERE cluster = {cluster:String} ORDER BY shard_num, replica_num
"""


class BadCluster(ValueError):
    """The cluster cannot hold the tables; the message says why and what to change."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """A ClickHouse of a cluster; shards and replicas are numbered from 1, the port is that of TCP."""

    shard: int
    replica: int
    name: str
    port: int

    def __str__(self) -> str:
        """Return the place for messages."""
        return f"shard {self.shard} replica {self.replica} ({self.name}:{self.port})"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table other than the rollups, its engine of the MergeTree family, and its sort order.

    On a cluster, ``key`` divides the rows among the shards; "0" keeps a small table on the first shard.
    """

    name: str
    columns: str
    engine: str
    order: str
    key: str = "0"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The place of tables: on one ClickHouse (``cluster`` is ""), or on the hosts of a cluster.

    ``replicated``: the servers have Keeper and the macros ``shard`` and ``replica``. ``queue``: the cluster
    takes statements with ON CLUSTER.
    """

    cluster: str = ""
    hosts: tuple[Host, ...] = ()
    replicated: bool = False
    queue: bool = False

    @property
    def shards(self) -> int:
        """Number of shards."""
        return max((host.shard for host in self.hosts), default=1)

    @property
    def on(self) -> str:
        """Return `` ON CLUSTER …`` if the cluster has a queue for such statements, else ""."""
        return f" ON CLUSTER {quoted(self.cluster)}" if self.queue else ""

    def stored(self, table: str) -> str:
        """Return the name of the table that keeps the rows."""
        return f"{table}_local" if self.cluster else table

    def create(self, table: str, columns: str, engine: str, order: str, settings: str = "") -> str:
        """Return the statement that creates the table in which rows are kept.

        ``engine`` is one of the MergeTree family, such as ``ReplacingMergeTree(changed)``; ``order`` has its
        clauses, from PARTITION BY or ORDER BY on. Each table recognises repeated tokens of inserts.
        """
        name, bracket, arguments = engine.partition("(")
        window = f"non_replicated_{_DEDUPLICATION}"
        if self.replicated:
            # ON CLUSTER and node by node must give replicas the same path, so it has no uuid.
            path = f"'/clickhouse/tables/{{shard}}/{{database}}/{table}', '{{replica}}'"
            rest = f", {arguments}" if bracket else ")"
            engine = f"Replicated{name}({path}{rest}"
            window = f"replicated_{_DEDUPLICATION}, {_REMEMBERED}"
        return (
            f"CREATE TABLE IF NOT EXISTS {self.stored(table)}{self.on} ({columns}) ENGINE = {engine} "
            f"{order} SETTINGS {', '.join(filter(None, (window, settings)))}"
        )

    def distribute(self, table: str, key: str = "") -> str:
        """Return the statement that creates the table over all shards.

        Without a sharding ``key``, only inserts that name their shard are possible.
        """
        stored = self.stored(table)
        place = ", ".join(filter(None, (quoted(self.cluster), "currentDatabase()", stored, key)))
        return f"CREATE TABLE IF NOT EXISTS {table}{self.on} AS {stored} ENGINE = Distributed({place})"


SINGLE = Layout()
"""The layout on one ClickHouse."""


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def discover(client: Client, cluster: str) -> Layout:
    """Return the layout of a cluster as this server knows it. Raises BadCluster."""
    if not cluster:
        return SINGLE
    rows = client.query(_HOSTS, parameters={"cluster": cluster}).result_rows
    if not rows:
        names = client.query("SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster").result_rows
        known = ", ".join(name for (name,) in names) or "none"
        raise BadCluster(
            f"CLICKHOUSE_CLUSTER={cluster!r} is not a cluster of this ClickHouse, which knows: {known}. "
            "Add it to remote_servers in its configuration"
        )
    hosts = tuple(Host(shard=s, replica=r, name=name, port=port) for s, r, name, port in rows)
    macros = {name for (name,) in client.query("SELECT macro FROM system.macros").result_rows}
    keeper = client.command("EXISTS TABLE system.zookeeper")
    replicated = bool(keeper) and {"shard", "replica"} <= macros
    if max(host.replica for host in hosts) > 1 and not replicated:
        raise BadCluster(
            f"the cluster {cluster!r} has several replicas in a shard, which need ClickHouse Keeper and the "
            "macros shard and replica on each server: configure them, or one replica for each shard"
        )
    return Layout(cluster=cluster, hosts=hosts, replicated=replicated, queue=_has_queue(client))


def _has_queue(client: Client) -> bool:
    try:
        client.query("SELECT count() FROM system.distributed_ddl_queue")
    except DatabaseError as error:
        if error.code in _NO_QUEUE:
            return False
        raise
    return True
