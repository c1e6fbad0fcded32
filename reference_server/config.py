"""Settings of a server, given explicitly or through the environment of its worker processes."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from reference_server.domains import site_of
from reference_server.secret_file import read_secret

KEY_PREFIX = "ck_"
DURABILITIES = ("process", "power")
"""Failures that acknowledged events outlive: the end of the process, or also a power cut."""
DRAIN_SECONDS = 5.0
"""Seconds for which a worker that is asked to end continues to move events to ClickHouse."""

_PACKAGE = Path(__file__).resolve().parent
_TRACKER = "tracker/tracker.min.js"


def bundled_tracker() -> Path:
    """Return the path of the reference tracker in an installation or in the source tree."""
    installed = _PACKAGE.parent / "conformance" / "_bundled" / _TRACKER
    return installed if installed.exists() else _PACKAGE.parent / _TRACKER


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of an application.

    ``clickhouse_url`` is one URL, or several with commas; with ``clickhouse_cluster``, of servers of the
    cluster of this name. ``sites`` are the registered domains. If the tuple is empty, every site is accepted,
    up to ``max_sites``.
    ``state_dir`` is a folder that all worker processes share. ``max_body`` is in bytes and should stay
    above 780 KB, the size of the largest legal event. ``durability`` tells if accepted events outlive
    only the process ("process") or also a power cut ("power"). When ``max_backlog`` bytes of events wait
    for ClickHouse in a worker process, it refuses more.

    Reading requires one of the ``api_keys``, unless the client and the address to which the server is
    ``bound`` are both on this machine. ``quota`` maps a domain to its events per month; the key ""
    applies to all other domains. Events beyond it are accepted and marked ("count") or dropped ("drop"),
    as ``over_quota`` says.

    ``rate_limit`` is in requests per minute and address, 0 for no limit; requests beyond it are dropped
    with 200. With ``proxies`` of our own in front, the client's address is the one that the first of them
    saw. All ``workers`` together serve ``max_connections``; further connections wait to be accepted. An
    address may have ``address_streams`` live streams per worker, 0 for no limit. ``started`` is the time
    at which the server started (monotonic clock).

    Nodes that share a database also share the ``secret_file``; without one, this node has a secret of its
    own in the state folder. The live page names the ``node``. ``adopted`` are the outbox folders of nodes
    that have ended, to be stored too.
    """

    clickhouse_url: str
    clickhouse_cluster: str = ""
    state_dir: Path
    sites: tuple[str, ...] = ()
    max_body: int = 1024**2
    body_seconds: float = 20.0
    durability: str = "power"
    max_backlog: int = 1024**3
    tracker: Path = field(default_factory=bundled_tracker)
    bound: str = ""
    api_keys: tuple[str, ...] = ()
    quota: Mapping[str, int] = field(default_factory=dict)
    over_quota: str = "count"
    rate_limit: int = 0
    proxies: int = 0
    max_connections: int = 1024
    max_sites: int = 1000
    address_streams: int = 64
    workers: int = 1
    started: float = field(default_factory=time.monotonic)
    secret_file: Path | None = None
    node: str = field(default_factory=socket.gethostname)
    adopted: tuple[Path, ...] = ()

    @property
    def worker_connections(self) -> int:
        """Number of connections that a worker process serves at once."""
        return max(self.max_connections // self.workers, 1)

    @property
    def secret(self) -> bytes:
        """The secret that the nodes share. Raises SecretUnusable."""
        return read_secret(self.secret_file or self.state_dir / "secret", create=not self.secret_file)

    @property
    def outbox_dir(self) -> Path:
        """Folder of the worker processes' outboxes."""
        return self.state_dir / "outbox"

    @property
    def outbox_dirs(self) -> tuple[Path, ...]:
        """Folders of all outboxes that this server stores."""
        return (self.outbox_dir, *self.adopted)

    @property
    def live_dir(self) -> Path:
        """Folder in which worker processes announce the sites shown on open live pages."""
        return self.state_dir / "live"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Return the settings from CLICKHOUSE_URL and the CLICKPORT_ variables.

        Raises ValueError that names the variable and its problem.
        """
        given: dict[str, Any] = {}
        for name, (variable, read) in _VARIABLES.items():
            if text := env.get(variable):
                try:
                    given[name] = read(text)
                except ValueError as error:
                    shown = variable if name == "api_keys" else f"{variable}={text!r}"
                    raise ValueError(f"{shown} cannot be used: {error}") from error
        for name in ("clickhouse_url", "state_dir"):
            if name not in given:
                raise ValueError(f"{_VARIABLES[name][0]} is not set")
        return cls(**given)


def quota_of(quota: Mapping[str, int], site: str) -> int | None:
    """Return the events per month that a site may send, or None for no limit."""
    return quota.get(site, quota.get(""))


def _sites(text: str) -> tuple[str, ...]:
    return tuple(_domain(site) for site in text.split(",") if site.strip())


def _domain(text: str) -> str:
    """Return the domain of a site.

    Raises ValueError if it is invalid: a list without valid domains would accept every site.
    """
    if site := site_of(text):
        return site
    raise ValueError(f"{text.strip()!r} is not a domain name")


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(map(Path, text.split(os.pathsep)))


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return text

    return read


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if not all(key.startswith(KEY_PREFIX) for key in keys):
        raise ValueError(f"each key must begin with {KEY_PREFIX}")
    return keys


def _quota(text: str) -> dict[str, int]:
    quota = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        domain, _, number = entry.rpartition("=")
        if not number.strip().isdecimal():
            raise ValueError("each entry must be NUMBER or DOMAIN=NUMBER")
        quota[_domain(domain) if domain else ""] = int(number)
    return quota


_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "clickhouse_url": ("CLICKHOUSE_URL", str),
    "clickhouse_cluster": ("CLICKHOUSE_CLUSTER", str),
    "state_dir": ("CLICKPORT_STATE", Path),
    "sites": ("CLICKPORT_SITES", _sites),
    "max_body": ("CLICKPORT_MAX_BODY", int),
    "body_seconds": ("CLICKPORT_BODY_SECONDS", float),
    "durability": ("CLICKPORT_DURABILITY", _one_of(*DURABILITIES)),
    "max_backlog": ("CLICKPORT_MAX_BACKLOG", int),
    "tracker": ("CLICKPORT_TRACKER", Path),
    "bound": ("CLICKPORT_BOUND", str),
    "api_keys": ("CLICKPORT_API_KEYS", _keys),
    "quota": ("CLICKPORT_QUOTA", _quota),
    "over_quota": ("CLICKPORT_OVER_QUOTA", _one_of("count", "drop")),
    "rate_limit": ("CLICKPORT_RATE_LIMIT", int),
    "proxies": ("CLICKPORT_PROXIES", int),
    "max_connections": ("CLICKPORT_MAX_CONNECTIONS", int),
    "max_sites": ("CLICKPORT_MAX_SITES", int),
    "address_streams": ("CLICKPORT_ADDRESS_STREAMS", int),
    "workers": ("CLICKPORT_WORKERS", int),
    "started": ("CLICKPORT_STARTED", float),
    "secret_file": ("CLICKPORT_SECRET_FILE", Path),
    "node": ("CLICKPORT_NODE", str),
    "adopted": ("CLICKPORT_ADOPTED", _paths),
}
