"""The plan of a load run: one value shared by the command, the Locust processes and the report."""

import ipaddress
import json
import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.protocol.outcomes import TargetUnavailable

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

DEFAULT_RATE = 550.0
DEFAULT_OBJECTIVE = 0.05
# Requests a second of one sender, at the first rate.
_A_SENDER = 10.0
_FLOOD_SENDERS = 32
# A ramp or spike may need four times the first senders; this process needs 64 descriptors of its own.
_GROWTH, _OWN_DESCRIPTORS = 4, 64
_SECONDS = {"constant": 60, "ramp": 120, "spike": 60, "soak": 3600, "flood": 10}


class RemoteTarget(ValueError):
    """The target is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """The options of a load run. ``objective`` is a limit for the 95th percentile of latency, in seconds.

    ``objective_asked``: the user set it, so that missing it fails the run.
    ``seconds`` and ``senders`` may be 0: the shape's default.
    """

    shape: str = "constant"
    rate: float = DEFAULT_RATE
    seconds: float = 0.0
    senders: int = 0
    processes: int = 1
    objective: float = DEFAULT_OBJECTIVE
    objective_asked: bool = False
    seed: int = 0
    mix: Path | None = None
    envelope: Mapping[str, Any] = field(default_factory=dict)
    domain: str = "example.com"
    allowed: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Return the seconds for which requests are sent."""
        return self.seconds or float(_SECONDS[self.shape])

    @property
    def first_senders(self) -> int:
        """Return the number of senders at the first rate; each has its own connection and schedule."""
        if self.senders:
            return self.senders
        return _FLOOD_SENDERS if self.shape == "flood" else max(1, math.ceil(self.rate / _A_SENDER))

    def arguments(self, url: str, run: str, journal: Path) -> list[str]:
        """Return the plan as command-line arguments of ``load/locustfile.py``."""
        return [
            *("--host", url, "--shape", self.shape, "--rate", str(self.rate)),
            *("--for", f"{self.duration}s", "--senders", str(self.first_senders)),
            *("--objective-p95", f"{self.objective * 1000}ms", "--seed", str(self.seed)),
            *(
                "--envelope",
                json.dumps(dict(self.envelope)),
                "--domain",
                self.domain,
                "--run",
                run,
                "--journal",
                str(journal),
            ),
            *(("--mix", str(self.mix.absolute())) if self.mix else ()),
            *(word for name in self.allowed for word in ("--allow-host", name)),
        ]

    def words(self) -> str:
        """Return the plan as text: ``constant, 550 a second for 60 s, 55 senders``."""
        rate = "" if self.shape == "flood" else f"{self.rate:g} a second "
        what = f"{self.shape}, {rate}for {self.duration:g} s, {self.first_senders} senders"
        return what + (f" in {self.processes} processes" if self.processes > 1 else "")


def seconds_of(text: str) -> float:
    """Return the seconds of ``50ms``, ``90s``, ``10m`` or ``1h``. Raises ValueError."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        number = text.removesuffix(unit)
        if number != text:
            try:
                value = float(number) * factor
            except ValueError:
                break
            if 0 < value < math.inf:
                return value
            break
    raise ValueError(f"{text!r} is not a duration: write 50ms, 90s, 10m or 1h")


def require_descriptors(plan: LoadPlan) -> None:
    """Raise this process's soft limit of open files as far as the senders need.

    Raises TargetUnavailable if the hard limit is too low: a sender without a descriptor cannot connect, which
    would look like a fault of the server.
    """
    if resource is None:
        return
    wanted = plan.first_senders * _GROWTH // plan.processes + _OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise TargetUnavailable(
            f"{plan.first_senders} senders need {wanted} open files, and this process may have {hard}: raise "
            f"the limit (ulimit -n {wanted}), or use fewer senders (--users, --rate)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require_local(url: str, allowed: Sequence[str] = ()) -> None:
    """Raise RemoteTarget unless the host of ``url`` is this machine or is named in ``allowed``."""
    host = urlsplit(url).hostname or ""
    if host in {name.lower() for name in allowed}:
        return
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise RemoteTarget(f"{url}: the host {host!r} could not be resolved: {error}") from error
    remote = sorted(str(address) for address in addresses if not ipaddress.ip_address(address).is_loopback)
    if remote:
        raise RemoteTarget(
            f"{url} is {remote[0]}, which is not this machine: load is sent to 127.0.0.1 and localhost only. "
            f"For a server that you own, add --allow-host {host} or open a tunnel: "
            f"ssh -L 8000:localhost:8000 {host}"
        )
