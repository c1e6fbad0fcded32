"""Servers under test, given by a URL, a command or a WSGI application; or the bundled reference."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

from conformance import processes
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.front import Front
from conformance.targets.process import Process, free_port, require_reachable

EVENT_PATH = "/api/event"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server.

    ``name`` is shown in reports. ``port`` is ``None`` unless the suite started the server. ``clickhouse`` is
    the URL of the reference's own ClickHouse, and ``envelope`` are the fields that it requires in each
    payload. ``count`` servers get the connections to the URL in turn.
    """

    url: str
    name: str
    port: int | None = None
    clickhouse: str | None = None
    envelope: Mapping[str, object] = field(default_factory=dict)
    count: int = 1

    @property
    def event_url(self) -> str:
        """The URL to which events are posted."""
        base = self.url.rstrip("/")
        return base if base.endswith(EVENT_PATH) else base + EVENT_PATH


@contextmanager
def server_at(url: str) -> Iterator[Server]:
    """Yield the server at a URL, which is already running. Raises TargetUnavailable if it does not listen."""
    require_reachable(url)
    yield Server(url=url, name=url)


@contextmanager
def servers_at(urls: str) -> Iterator[Server]:
    """Yield the servers at several URLs with commas as one, whose connections go to each in turn.

    Raises TargetUnavailable if one of them does not listen.
    """
    places = []
    for url in urls.split(","):
        require_reachable(url)
        parts = urlsplit(url)
        places.append((parts.hostname or "", parts.port or 80))
    with Front(places) as front:
        yield Server(url=front.url, name=urls, count=len(places))


@contextmanager
def server_by_command(command: str) -> Iterator[Server]:
    """Start a server by ``command``, with ``{port}`` replaced by a free port; stop it on exit.

    Raises TargetUnavailable if it does not listen on that port within 30 s.
    """
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
    with _started(words, port) as url:
        yield Server(url=url, name=command, port=port)


@contextmanager
def server_by_app(path: str) -> Iterator[Server]:
    """Serve the WSGI application at an import path, ``package.module:app``, in a child process.

    Raises TargetUnavailable if it does not listen within 30 s.
    """
    port = free_port()
    with _started([sys.executable, "-m", "conformance.targets.wsgi", path, str(port)], port) as url:
        yield Server(url=url, name=path, port=port)


@contextmanager
def reference_clickhouse() -> Iterator[str]:
    """Start the ClickHouse of the reference server, with empty storage, and yield its URL.

    Raises TargetUnavailable if the packages of the extra ``reference`` are not installed, or without POSIX.
    """
    if not processes.is_posix():
        raise TargetUnavailable(
            f"the reference server {processes.NEEDS_POSIX}; "
            "test a tracker with --tracker, or a server with --server"
        )
    missing = [name for name in ("flask", "granian", "clickhouse_connect", "chdb") if not find_spec(name)]
    if missing:
        raise TargetUnavailable(
            f"the reference server needs {', '.join(missing)}: "
            "pip install 'clickport-conformance[reference]', or test a server of yours with --server"
        )
    with Process([sys.executable, "-m", "reference_server", "clickhouse"], pipe=True) as process:
        yield process.read_line()


@contextmanager
def bundled_server(domain: str) -> Iterator[Server]:
    """Start the reference server and its own ClickHouse, with empty storage, as separate processes.

    It accepts events of every domain, so that cases that count events can use a domain of their own.
    """
    with reference_clickhouse() as clickhouse:
        port = free_port()
        words = [sys.executable, "-m", "reference_server", "serve", "--port", str(port)]
        with _started(words, port, env={"CLICKHOUSE_URL": clickhouse}) as url:
            yield Server(
                url=url,
                name="bundled reference server",
                port=port,
                clickhouse=clickhouse,
                envelope={"d": domain},
            )


@contextmanager
def _started(words: list[str], port: int, env: Mapping[str, str] | None = None) -> Iterator[str]:
    with Process(words, env=env) as process:
        process.wait_until_listening(port)
        yield f"http://127.0.0.1:{port}"
