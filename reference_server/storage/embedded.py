"""ClickHouse from a Python wheel: a child process with an HTTP server on a loopback port.

The wheel ``chdb-core`` contains clickhouse-local and ClickHouse's HTTP handler. ``_embedded_child.py`` starts
the handler; this module manages the process, which never outlives its parent.
"""

import http.client
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from reference_server.storage import _embedded_child, tempdirs
from reference_server.storage._embedded_settings import USER, Place, config_xml, users_xml

__all__ = [
    "ClickHouseError",
    "ClickHouseMissing",
    "DataFolderInUse",
    "LocalClickHouse",
    "Place",
    "StartFailed",
]

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01


class ClickHouseError(Exception):
    """The embedded ClickHouse cannot be used; the message says why."""


class ClickHouseMissing(ClickHouseError):
    """The wheel that contains ClickHouse is not installed."""


class StartFailed(ClickHouseError):
    """The process ended before it was ready, or was not ready in time."""


class DataFolderInUse(StartFailed):
    """Another process uses the same data folder."""


_given: set[int] = set()


def own_port() -> int:
    """Return a free port below the ephemeral ones, which no outgoing connection takes; each only once."""
    # In any order: processes that begin at the same moment would all take the first one.
    for port in random.sample(range(20_000, 32_000), 12_000):
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise ClickHouseError("the embedded ClickHouse needs a port below 32,000, and none is free")


class LocalClickHouse:
    """An embedded ClickHouse on ``data_dir``: use it as a context manager, or call ``start`` and ``stop``.

    Port and password are new at each start, which keeps other users of the machine out. If ``steady``,
    all starts share them, so that the URL stays valid. With a ``place`` it is a shard of a cluster.
    """

    def __init__(self, data_dir: Path, *, steady: bool = False, place: Place | None = None) -> None:
        self._steady = steady or place is not None
        self._port = own_port() if self._steady else 0
        self._place = place
        self._password = place.password if place else ""
        self.data_dir = data_dir.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._run: Path | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Return ``http://user:password@127.0.0.1:port/default``. Raises ClickHouseError before the start."""
        if not self._url:
            raise ClickHouseError("the embedded ClickHouse is not running: start it first")
        return self._url

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """Return the exit code of a child that ended on its own; None while it runs or after ``stop``."""
        return self._process.poll() if self._process else None

    def start(self, interrupted: threading.Event | None = None) -> None:
        """Start the child and return when it answers.

        Setting ``interrupted`` interrupts the start with StartFailed. Raises ClickHouseError, and
        then leaves no process behind.
        """
        if self._process:
            raise ClickHouseError("the embedded ClickHouse is already running: stop it first")
        if not find_spec("chdb"):
            raise ClickHouseMissing(
                "the embedded ClickHouse is not installed: pip install 'clickport-conformance[reference]', "
                "or set CLICKHOUSE_URL to a ClickHouse of yours"
            )
        if not self._steady or not self._password:
            self._password = secrets.token_hex(16)
        try:
            self._spawn(self._password)
            port = self._wait_until_ready(interrupted or threading.Event())
        except BaseException:  # Including Ctrl-C: never leave a process behind.
            self.stop()
            raise
        self._url = f"http://{USER}:{self._password}@127.0.0.1:{port}/default"

    def stop(self) -> None:
        """End the child, at worst by SIGKILL, and remove its run folder. Repeated calls are harmless."""
        self._url = ""
        process, self._process = self._process, None
        run, self._run = self._run, None
        try:
            if process:
                _end(process)
        finally:
            if run:
                tempdirs.remove(run)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, password: str) -> None:
        self._run = run = tempdirs.make("clickhouse")
        try:
            # The first start on an empty data folder fails without this folder.
            (self.data_dir / "metadata").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"the data folder {self.data_dir} cannot be used: {error}") from error
        (run / "tmp").mkdir()
        (run / "config.xml").write_text(config_xml(password, self._port, self._place))
        (run / "users.xml").write_text(users_xml(password))
        more = ["SYSTEM START LISTEN TCP;"] if self._place else []
        with (run / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                # -P: no module of the current folder can shadow an import of the child.
                [sys.executable, "-P", _embedded_child.__file__, str(run), str(self.data_dir), *more],
                stdin=subprocess.PIPE,  # The lifeline.
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "TMPDIR": str(run / "tmp")},
                # SYSTEM SHUTDOWN of a client signals the whole process group, and this process handles
                # Ctrl-C.
                start_new_session=True,
            )

    def _wait_until_ready(self, interrupted: threading.Event) -> int:
        assert self._run
        port_file = self._run / "port"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.poll() is not None:
                raise self._failure()
            text = port_file.read_text() if port_file.exists() else ""
            if text.endswith("\n") and answers(int(text), "/ping"):
                return int(text)
            if interrupted.is_set():
                raise StartFailed("the start of the embedded ClickHouse was interrupted")
            time.sleep(_POLL_SECONDS)
        raise StartFailed(
            f"the embedded ClickHouse did not answer within {START_SECONDS:.0f} s.\n{self._stderr()}"
        )

    def _failure(self) -> StartFailed:
        stderr = self._stderr()
        if "Another server instance in same directory is already running" in stderr:
            return DataFolderInUse(
                f"the data folder {self.data_dir} is in use by another process "
                "(a ClickHouse locks its folder, code 76): stop that one, or choose another folder"
            )
        return StartFailed(f"the embedded ClickHouse ended while starting on {self.data_dir}.\n{stderr}")

    def _stderr(self) -> str:
        assert self._run
        return (self._run / "stderr").read_text(errors="replace").strip()[-4000:]


def answers(port: int, path: str, *, host: str = "127.0.0.1", seconds: float = 1) -> bool:
    """Return True if a GET of the path is answered with 200 within ``seconds``."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
    except BaseException as error:  # Too slow, or a second Ctrl-C: kill it.
        process.kill()
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    finally:
        if process.stdin:
            process.stdin.close()
