"""What a server is told: explicitly, or through the environment of its worker processes."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from reference_server.domains import site_of

KEY_PREFIX = "ck_"
DURABILITIES = ("process", "power")
"""Ends that acknowledged events outlive: that of the process, or a power cut as well."""
DRAIN_SECONDS = 5.0
"""How long a worker that is told to end goes on moving events to ClickHouse."""

_PACKAGE = Path(__file__).resolve().parent
_TRACKER = "tracker/tracker.min.js"


def bundled_tracker() -> Path:
    """Return where the reference tracker is: in an installation, or in the source tree."""
    installed = _PACKAGE.parent / "conformance" / "_bundled" / _TRACKER
    return installed if installed.exists() else _PACKAGE.parent / _TRACKER


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of an application.

    ``sites`` are the registered domains, and none means that every site is welcome, up to ``max_sites`` of
    them. ``state_dir`` is a folder that the worker processes of a server share. A legal event may have
    780 KB: ``max_body`` is to stay above. Accepted events outlive the ``process``, or a cut of the ``power``
    as well (``durability``); when ``max_backlog`` bytes of them wait for ClickHouse in a worker process, it
    takes no more.

    Who reads needs one of the ``api_keys``, unless both he and the address that the server is ``bound`` to
    are on this machine. ``quota`` is what a site may send in a month, by domain; the empty one is any other.
    What comes above it is to be counted or dropped (``over_quota``: "count", "drop").

    ``rate_limit`` is how many requests an address may send in a minute, 0 for no limit; what comes above is
    dropped with 200. Behind ``proxies`` of one's own the address is the one that the first of them saw.
    The ``workers`` together serve ``max_connections`` at once; others wait to be accepted. An address may
    have ``address_streams`` live streams in each of them, 0 for no limit. The server ``started`` at this
    time of the monotonic clock.
    """

    clickhouse_url: str
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

    @property
    def worker_connections(self) -> int:
        """Return how many connections a worker process serves at once."""
        return max(self.max_connections // self.workers, 1)

    @property
    def outbox_dir(self) -> Path:
        """Where the outboxes of the worker processes are."""
        return self.state_dir / "outbox"

    @property
    def live_dir(self) -> Path:
        """Where worker processes say that somebody looks at the live page of a site."""
        return self.state_dir / "live"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read CLICKHOUSE_URL and the CLICKPORT_ variables. Raises ValueError naming what is wrong."""
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
    """Return what a site may send in a month: its own quota, or that of all others, if there is one."""
    return quota.get(site, quota.get(""))


def _sites(text: str) -> tuple[str, ...]:
    return tuple(_domain(site) for site in text.split(",") if site.strip())


def _domain(text: str) -> str:
    """Return the domain of a site. Raises ValueError: without it, every site would be welcome."""
    if site := site_of(text):
        return site
    raise ValueError(f"{text.strip()!r} is no domain name")


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is one of {', '.join(choices)}")
        return text

    return read


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if not all(key.startswith(KEY_PREFIX) for key in keys):
        raise ValueError(f"keys begin with {KEY_PREFIX}")
    return keys


def _quota(text: str) -> dict[str, int]:
    quota = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        domain, _, number = entry.rpartition("=")
        if not number.strip().isdecimal():
            raise ValueError("entries are NUMBER, or DOMAIN=NUMBER")
        quota[_domain(domain) if domain else ""] = int(number)
    return quota


_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "clickhouse_url": ("CLICKHOUSE_URL", str),
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
}
