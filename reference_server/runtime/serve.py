"""Start of the reference server (ClickHouse, tables, worker processes), and its complete shutdown."""

import errno
import multiprocessing
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from clickhouse_connect.driver.exceptions import ClickHouseError as ClientError
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from reference_server.analytics.old_settings import import_settings
from reference_server.config import DRAIN_SECONDS, Config
from reference_server.delivery.adoption import adoption
from reference_server.delivery.census import census
from reference_server.delivery.damage import tell_kept
from reference_server.delivery.repair import repair
from reference_server.runtime.connections import affordable
from reference_server.runtime.shared_secret import compare_secret
from reference_server.runtime.supervisor import Supervisor
from reference_server.storage import tempdirs
from reference_server.storage.client import Clients, masked
from reference_server.storage.embedded import ClickHouseError, LocalClickHouse
from reference_server.storage.embedded_cluster import LocalCluster
from reference_server.web import live_stream

_STOP_SECONDS = int(DRAIN_SECONDS) + 5
_LOOK_SECONDS = 0.2
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_BACKLOG = 4096

# Standard output is reserved for the line that names the server's address.
_LOGGING = {
    "handlers": {
        name: {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        for name in ("console", "access")
    }
}


class CannotServe(Exception):
    """The server could not start or continue; the message says why."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of a server.

    Without ``clickhouse_url``, an embedded ClickHouse is started. Without ``data``, a temporary folder is
    used and removed at the end. Without ``sites``, every site is accepted. Port 0 means any free port. The
    outboxes in the folders ``adopted`` are stored too.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    sites: tuple[str, ...] = ()
    data: Path | None = None
    workers: int = 1
    clickhouse_url: str | None = None
    adopted: tuple[Path, ...] = ()


def serve(options: ServeOptions, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    ``ready`` is called with a line to print when events are accepted.
    Must run in the main thread of a process that does nothing else. Leaves no process, port or temporary
    folder behind. Raises CannotServe.
    """
    _forget_proxies()
    with _stopped_by_signals(), ExitStack() as stack:
        try:
            address, port = stack.enter_context(_reserved(options.host, options.port))
            folder = options.data or stack.enter_context(tempdirs.folder("data"))
            embedded = None
            if not options.clickhouse_url:
                _require_no_cluster()
                # The same URL at each start, so that the workers can continue after a restart.
                embedded = stack.enter_context(LocalClickHouse(folder / "clickhouse", steady=True))
            url = embedded.url if embedded else options.clickhouse_url or ""
            os.environ.update(_environment(options, url, folder, address))
            own = Config.from_env().outbox_dir
            adopted = stack.enter_context(adoption(options.adopted, own))
            os.environ["CLICKPORT_ADOPTED"] = os.pathsep.join(map(str, adopted))
            config = Config.from_env()
            _ = config.secret  # Created or refused before the workers need it.
            outboxes = config.outbox_dir
            version = _migrated(url, config)
            for outbox_dir in config.outbox_dirs:
                tell_kept(outbox_dir)
            if not options.data and not embedded:
                stack.callback(_keep, outboxes)
        except (ClickHouseError, OSError, ValueError) as error:
            raise CannotServe(str(error)) from error
        where = f"data in {folder}" if embedded else "by CLICKHOUSE_URL"
        base = f"http://{f'[{address}]' if ':' in address else address}:{port}"
        line = f"Clickport reference server on {base} (ClickHouse {version}, {where})"
        _run(address, port, options.workers, embedded, lambda: ready(line))


def serve_clickhouse(data: Path | None, ready: Callable[[str], None], *, shards: int | None = None) -> None:
    """Run only the embedded ClickHouse until SIGINT, SIGTERM or the end of standard input.

    ``ready`` is called with its URL. With ``shards``, run a cluster of so many, of which one that ends is
    started again. Raises CannotServe.
    """
    with _stopped_by_signals(), ExitStack() as stack:
        folder = data or stack.enter_context(tempdirs.folder("data"))
        try:
            if shards:
                cluster = stack.enter_context(LocalCluster(folder, shards))
                ready(cluster.url)
                _until_input_ends(cluster.revive)
                return
            clickhouse = stack.enter_context(LocalClickHouse(folder / "clickhouse"))
            ready(clickhouse.url)
            if _until_input_ends(lambda: clickhouse.poll() is not None):
                return
        except ClickHouseError as error:
            raise CannotServe(str(error)) from error
        raise CannotServe(f"the embedded ClickHouse died with exit code {clickhouse.poll()}")


def _until_input_ends(over: Callable[[], bool]) -> bool:
    """Wait until standard input ends, and return True; or return False once ``over`` returns True."""
    while not over():
        readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        if readable and not os.read(0, 4096):
            return True
    return False


def _run(
    address: str, port: int, workers: int, embedded: LocalClickHouse | None, ready: Callable[[], None]
) -> None:
    # This process runs threads and has files open, which a forked worker would inherit.
    multiprocessing.set_start_method("spawn", force=True)
    config = Config.from_env()
    server = _Server(
        "reference_server.runtime.worker:app",
        factory=True,
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        # Further connections wait to be accepted; ``connections.py`` keeps some free.
        backlog=_BACKLOG,
        backpressure=affordable(config.worker_connections),
        http1_settings=HTTP1Settings(header_read_timeout=int(1000 * config.body_seconds)),
        workers=workers,
        workers_kill_timeout=_STOP_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )
    supervisor = Supervisor(
        address=address, port=port, embedded=embedded, ready=ready, end=server.signal_handler_interrupt
    )
    supervisor.start()
    try:
        server.serve()
    except SystemExit as error:  # granian's sign that its workers fail repeatedly.
        raise CannotServe("the worker processes do not run: see the error above") from error
    finally:
        supervisor.stop()
    if supervisor.fault:
        raise CannotServe(supervisor.fault)


class _Server(Granian):  # type: ignore[misc, valid-type]
    """Granian waits for open requests when it ends, so live streams are ended first."""

    def signal_handler_interrupt(self, *_: Any) -> None:
        """End the server, after a signal or a fault that the supervisor found."""
        live_stream.end(Config.from_env().live_dir)
        super().signal_handler_interrupt()

    def signal_handler_reload(self, *_: Any) -> None:
        """End the server when its terminal is closed (SIGHUP), unless ``nohup`` started it.

        granian would start its workers anew, without a terminal to end them from.
        """
        if signal.SIGHUP in _ending_signals():
            self.signal_handler_interrupt()


@cache
def _ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end this process. First called before any handler is set."""
    hangup = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hangup)


def _require_no_cluster() -> None:
    if name := os.environ.get("CLICKHOUSE_CLUSTER"):
        raise CannotServe(
            f"CLICKHOUSE_CLUSTER={name!r} needs CLICKHOUSE_URL, with the URLs of servers of this cluster"
        )


def _forget_proxies() -> None:
    """Remove the HTTP proxies from the environment of this process and of the workers.

    clickhouse-connect would send the credentials to them, even for connections to this machine.
    """
    for name in [name for name in os.environ if name.lower() in _PROXIES]:
        del os.environ[name]


def _keep(outboxes: Path) -> None:
    """Move non-empty outboxes out of a folder that will be removed.

    Raises CannotServe with their new place.
    """
    if pending := census(outboxes).pending:
        kept = Path(tempfile.mkdtemp(prefix="clickport-unstored-"))
        shutil.move(outboxes, kept / "state" / outboxes.name)
        raise CannotServe(
            f"ClickHouse did not store {pending} acknowledged events, which are now in {kept}: "
            f"serve with --data {kept} to store them"
        )


def _environment(options: ServeOptions, url: str, folder: Path, address: str) -> Mapping[str, str]:
    """Return the environment by which workers are configured; they inherit the other variables of Config."""
    sites = {"CLICKPORT_SITES": ",".join(options.sites)} if options.sites else {}
    state = str(folder.absolute() / "state")
    return {
        "CLICKHOUSE_URL": url,
        "CLICKPORT_STATE": state,
        "CLICKPORT_BOUND": address,
        "CLICKPORT_WORKERS": str(options.workers),
        "CLICKPORT_STARTED": str(time.monotonic()),
        **sites,
    }


def _migrated(url: str, config: Config) -> str:
    """Migrate the database, import old settings, compare secrets; return ClickHouse's version (26.9)."""
    try:
        clients = Clients(url, config.clickhouse_cluster)
        repair(clients, config.outbox_dir, config.adopted)
        import_settings(clients.get(), config.state_dir)
        compare_secret(clients, config)
        return ".".join(str(clients.get().server_version).split(".")[:2])
    except ClientError as error:
        raise CannotServe(f"ClickHouse at {masked(url)} cannot be used: {error}") from error


@contextmanager
def _reserved(host: str, port: int) -> Iterator[tuple[str, int]]:
    """Yield the resolved address after ensuring that it is free, and reserve it for a with block.

    granian would silently share the port with another server, for example with one that chose the same
    free port at the same time.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        kept = socket.socket(family)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # This socket never listens. With the option it shares the port with workers of the same user.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(address)
    except OSError as error:
        hint = " (by another server?): choose another --port"
        reason = f"{error.strerror or error}{hint if error.errno == errno.EADDRINUSE else ''}"
        raise CannotServe(f"cannot listen on {host} port {port}: {reason}") from error
    with kept:
        name: tuple[Any, ...] = kept.getsockname()
        yield str(name[0]), int(name[1])


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """End the block on SIGTERM or SIGHUP as on Ctrl-C, in all cases without an error."""

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        for number in before:  # Ignore further signals, which must not interrupt the shutdown.
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _ending_signals()}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
