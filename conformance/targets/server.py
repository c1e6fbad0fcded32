"""A server under test: by URL, by a command that starts it, by a WSGI application, or the bundled one."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.process import Process, free_port, require_reachable

EVENT_PATH = "/api/event"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. ``clickhouse`` is set for the bundled reference, whose rows can be read there."""

    url: str
    name: str
    port: int | None = None
    clickhouse: str | None = None
    envelope: Mapping[str, object] = field(default_factory=dict)

    @property
    def event_url(self) -> str:
        """Where events are posted."""
        base = self.url.rstrip("/")
        return base if base.endswith(EVENT_PATH) else base + EVENT_PATH


@contextmanager
def server_at(url: str) -> Iterator[Server]:
    """A server that somebody else runs. Raises TargetUnavailable within seconds when nobody answers."""
    require_reachable(url)
    yield Server(url=url, name=url)


@contextmanager
def server_by_command(command: str) -> Iterator[Server]:
    """A server started by ``command``, in which ``{port}`` is filled in, and stopped at the end."""
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
    with _started(words, port) as url:
        yield Server(url=url, name=command, port=port)


@contextmanager
def server_by_app(path: str) -> Iterator[Server]:
    """A WSGI application by import path, ``package.module:app``, served by a process of ours."""
    port = free_port()
    with _started([sys.executable, "-m", "conformance.targets.wsgi", path, str(port)], port) as url:
        yield Server(url=url, name=path, port=port)


@contextmanager
def reference_clickhouse() -> Iterator[str]:
    """The ClickHouse that comes with the reference server, on empty storage; yields its URL."""
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
    """The reference server on a ClickHouse of its own, both started like anybody's, on empty storage.

    It takes events of every site: a case that counts has a site of its own.
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
