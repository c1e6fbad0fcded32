"""A cluster of embedded ClickHouse servers on this machine, one for each shard."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from reference_server.storage.embedded import ClickHouseError, LocalClickHouse, Place, own_port

CLUSTER = "clickport"
"""Name of the cluster in the configuration of its servers."""


class LocalCluster:
    """Shards that know each other: use it as a context manager, or call ``start`` and ``stop``.

    URLs stay the same when a shard is restarted. ``seen`` maps the number of a shard to a port through
    which the other shards reach it, for a proxy in between. Raises ClickHouseError if the folder has more
    shards.
    """

    def __init__(
        self, folder: Path, shards: int, *, ports: Sequence[int] = (), seen: dict[int, int] | None = None
    ) -> None:
        if extra := [place.name for place in folder.glob("shard-*") if place.name not in _names(shards)]:
            raise ClickHouseError(
                f"{folder} also has {', '.join(sorted(extra))}, whose rows {shards} shards would not show: "
                "give at least as many shards as before"
            )
        ports = tuple(ports) or tuple(own_port() for _ in range(shards))
        password = secrets.token_hex(16)
        self.ports = ports
        self.shards = tuple(
            LocalClickHouse(
                folder / name,
                place=Place(
                    cluster=CLUSTER,
                    shard=number,
                    ports=tuple(
                        port if other == number else (seen or {}).get(other, port)
                        for other, port in enumerate(ports, 1)
                    ),
                    password=password,
                ),
            )
            for number, name in enumerate(_names(shards), 1)
        )

    @property
    def url(self) -> str:
        """The URLs of the shards with commas, as for CLICKHOUSE_URL. Raises ClickHouseError."""
        return ",".join(shard.url for shard in self.shards)

    def start(self) -> None:
        """Start all shards, or none. Raises ClickHouseError."""
        try:
            for shard in self.shards:
                shard.start()
        except BaseException:
            self.stop()
            raise

    def revive(self) -> bool:
        """Start the shards that have ended again; return False. Raises ClickHouseError."""
        for shard in self.shards:
            if shard.poll() is not None:
                shard.stop()
                shard.start()
        return False

    def stop(self) -> None:
        """Stop all shards."""
        for shard in self.shards:
            shard.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _names(shards: int) -> list[str]:
    """Return the names of the shards' folders."""
    return [f"shard-{number}" for number in range(1, shards + 1)]
