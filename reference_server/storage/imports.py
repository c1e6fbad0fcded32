"""Storing of imports: each once, whatever is repeated."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby

from reference_server.event import EventRow
from reference_server.storage.client import Clients, insert
from reference_server.storage.schema import encode_row, fitting
from reference_server.storage.shared_tables import IMPORTS
from reference_server.storage.store import store

_KNOWN = f"SELECT digest FROM {IMPORTS} WHERE site = {{site:String}} AND id = {{id:String}} LIMIT 1"  # noqa: S608
_MOST_COST = 16 * 1024**2  # As of the loader: bytes of text that a statement adds to a rollup.


class OtherContent(Exception):
    """An import with this id had another content."""


def import_once(clients: Clients, site: str, id_: str, rows: Sequence[EventRow]) -> bool:
    """Store the rows of an import; return False if it was stored before.

    It is stored in parts, each with a token of its own, which every table remembers: an import that broke
    off is completed by its repetition, as long as a cluster has the same shards. Raises OtherContent, and
    clickhouse-connect's errors.
    """
    lines = [encode_row(row) for row in rows]
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    client = clients.get()
    known = client.query(_KNOWN, {"site": site, "id": id_}).result_rows
    if known:
        if known[0][0] != digest:
            raise OtherContent(f"the import {id_[:100]!r} had another content: choose another id")
        return False
    for number, part in enumerate(_parts(rows)):
        shards = clients.layout().shards if clients.cluster else 0
        store(client, part, f"import {digest} {site} {id_} {number}", shards)
    insert(client, IMPORTS, ["site", "id", "digest", "events"], [[site, id_, digest, len(rows)]])
    return True


def _parts(rows: Sequence[EventRow]) -> Iterator[list[EventRow]]:
    """Yield the rows in parts that can be stored by one statement: of one month, and of bounded size."""
    by_month = sorted(rows, key=lambda row: f"{row.timestamp:%Y-%m}")
    for _, group in groupby(by_month, key=lambda row: f"{row.timestamp:%Y-%m}"):
        rest = list(group)
        while rest:
            fit = fitting([encode_row(row) for row in rest], _MOST_COST)
            yield rest[:fit]
            rest = rest[fit:]
