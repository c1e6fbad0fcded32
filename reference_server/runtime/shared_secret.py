"""Comparison of the secrets of nodes that share a database."""

import logging

from reference_server.config import Config
from reference_server.secret_file import derived
from reference_server.storage import shared_tables
from reference_server.storage.client import Clients
from reference_server.storage.shared_tables import Setting, next_version

_KIND = "secret"  # Of a setting without a site.
_LOG = logging.getLogger(__name__)
_OTHER = (
    "the node that was started before on this database has another secret: unless you are replacing it on "
    "all nodes, copy the same CLICKPORT_SECRET_FILE to all; until then logins end and visitors count twice"
)


def compare_secret(clients: Clients, config: Config) -> None:
    """Log a warning if another node of the database uses another shared secret.

    A key derived from the secret is stored for it. A node without CLICKPORT_SECRET_FILE only compares.
    Raises clickhouse-connect's errors.
    """
    mine = derived(config.secret, "comparison").hex()
    client = clients.get()
    known = next((each for each in shared_tables.read(client, "") if each.kind == _KIND), None)
    if known and known.value != mine:
        _LOG.warning(_OTHER)
    if config.secret_file and (known is None or known.value != mine):
        version = next_version(known.version if known else 0)
        shared_tables.write(client, "", [Setting(kind=_KIND, name="", value=mine, version=version)])
