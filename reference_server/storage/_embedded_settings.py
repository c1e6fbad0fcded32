"""Configuration files of the embedded ClickHouse."""

import base64
import hashlib
from dataclasses import dataclass

USER = "clickport"
_DENIED = "user or password is wrong"

# Sized for a small machine: a query that needs more fails instead of exhausting the machine.
_MEMORY_BYTES = 2 * 1024**3
_MARK_CACHE_BYTES = _INDEX_CACHE_BYTES = 64 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a server in a cluster on this machine.

    ``ports`` has the TCP port of each shard, as this server reaches it; ``shard`` counts from 1. All
    servers share the ``password``.
    """

    cluster: str
    shard: int
    ports: tuple[int, ...]
    password: str


def config_xml(password: str, port: int = 0, place: Place | None = None) -> str:
    """Return config.xml: the port (0 for any), memory limits, and authentication except for ``/ping``.

    With a ``place``, also the TCP port and the shards of the cluster.

    clickhouse-local logs itself in as ``default`` without a password, so that user must exist and would
    be open to every user of the machine. The rule therefore accepts only the credentials of our own user.
    """
    credentials = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return f"""<clickhouse>
  <http_port>{port}</http_port>
  <listen_host>127.0.0.1</listen_host>{_cluster_xml(place) if place else ""}
  <users_config>users.xml</users_config>
  <max_server_memory_usage>{_MEMORY_BYTES}</max_server_memory_usage>
  <mark_cache_size>{_MARK_CACHE_BYTES}</mark_cache_size>
  <primary_index_cache_size>{_INDEX_CACHE_BYTES}</primary_index_cache_size>
  <http_handlers>
    <rule>
      <url>/ping</url>
      <handler><type>ping</type></handler>
    </rule>
    <rule>
      <headers><Authorization>Basic {credentials}</Authorization></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
    <rule>
      <handler><type>static</type><status>403</status><response_content>{_DENIED}</response_content></handler>
    </rule>
  </http_handlers>
</clickhouse>
"""


def _cluster_xml(place: Place) -> str:
    shards = "".join(
        f"<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host>"
        f"<port>{port}</port><user>{USER}</user><password>{place.password}</password></replica></shard>"
        for port in place.ports
    )
    return f"""
  <tcp_port>{place.ports[place.shard - 1]}</tcp_port>
  <remote_servers><{place.cluster}>{shards}</{place.cluster}></remote_servers>"""


def users_xml(password: str) -> str:
    """Return users.xml: our user, and the ``default`` that clickhouse-local needs (see ``config_xml``)."""
    loopback = "<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>"
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"""<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default><password></password>{loopback}</default>
    <{USER}><password_sha256_hex>{digest}</password_sha256_hex>{loopback}</{USER}>
  </users>
</clickhouse>
"""
