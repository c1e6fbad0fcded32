"""Fixtures for the reference server: it runs as for a user, on a real ClickHouse."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.storage.client import Clients, connect
from reference_server.storage.embedded import LocalClickHouse
from reference_server.storage.schema import migrate
from tests.server.reading import Pen

STOP_SECONDS = 20
SETTLE_SECONDS = 20


class Server:
    """A started server: its process, what it printed, and an HTTP client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        self.line = process.stdout.readline().strip()
        assert self.line, process.communicate()[1]
        self.url = self.line.removeprefix("Clickport reference server on ").partition(" ")[0]
        self.http = httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=60)

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """Post an event: bytes unchanged, anything else as JSON."""
        options: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.post("/api/event", headers=headers, **options)

    def settle(self) -> None:
        """Wait until ClickHouse has every acknowledged event."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while "\nclickport_events_pending 0\n" not in self.http.get("/metrics").text:
            assert time.monotonic() < deadline, "events wait for ClickHouse"
            time.sleep(0.05)  # Each look costs the processors that the loader needs.


@contextmanager
def _started(*options: str, **env: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_server", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )
    try:
        server = Server(process)
        yield server
        server.http.close()
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
    finally:
        process.kill()
        process.communicate()


class World:
    """A server and its ClickHouse, which can be ended and restarted on the same data."""

    def __init__(self, folder: Path) -> None:
        self.clickhouse = LocalClickHouse(folder / "clickhouse", steady=True)
        self.sites: frozenset[str] = frozenset()  # Of the running server; empty if none runs.
        self._data = folder / "server"
        self._serving = ExitStack()
        self._server: Server | None = None

    @property
    def stores(self) -> bool:
        """True if ClickHouse runs."""
        return self.clickhouse.pid is not None

    def begin(self, sites: frozenset[str]) -> None:
        """Ensure that server and ClickHouse run for these sites, without any event."""
        if not self.stores:
            self.clickhouse.start()
        if self.sites != sites:
            self.serve(sites)
        self.ask("TRUNCATE TABLE events")

    def serve(self, sites: frozenset[str]) -> None:
        """Start the server on its previous folder, and forget the previous process."""
        self._serving.close()
        options = [option for site in sorted(sites) for option in ("--site", site)]
        started = _started("--data", str(self._data), *options, CLICKHOUSE_URL=self.clickhouse.url)
        self._server = self._serving.enter_context(started)
        self.sites = sites

    def end_server(self, number: signal.Signals) -> int:
        """End the server by a signal and return its exit code."""
        assert self._server
        self.sites = frozenset()
        self._server.process.send_signal(number)
        return self._server.process.wait(STOP_SECONDS)

    def end_clickhouse(self, number: signal.Signals) -> None:
        """End ClickHouse by a signal."""
        assert self.clickhouse.pid
        os.kill(self.clickhouse.pid, number)
        self.clickhouse.stop()

    def end(self) -> None:
        """End all processes."""
        try:
            self._serving.close()
        finally:
            self.clickhouse.stop()

    def post(self, body: bytes) -> int | None:
        """Post an event and return the status of the response, or None if there was none."""
        assert self._server
        try:
            return self._server.post(body).status_code
        except httpx.TransportError:
            return None

    def settle(self) -> None:
        """Wait until ClickHouse has every event that any server process has acknowledged."""
        assert self._server
        self._server.settle()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Query ClickHouse directly."""
        client = connect(self.clickhouse.url)
        try:
            return [tuple(row) for row in client.query(query).result_rows]
        finally:
            client.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server and its ClickHouse, which keeps its URL when it is restarted."""
    world = World(tmp_path)
    yield world
    world.end()


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """Starts ``python -m reference_server serve`` on a free port, with options and variables."""
    return _started


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """The ClickHouse behind ``server``."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def server(clickhouse: LocalClickHouse) -> Iterator[Server]:
    """A server for the site example.com with a body timeout of one second."""
    with _started(
        "--site", "example.com", CLICKHOUSE_URL=clickhouse.url, CLICKPORT_BODY_SECONDS="1"
    ) as started:
        yield started


@pytest.fixture(scope="session")
def client(clickhouse: LocalClickHouse) -> Iterator[Client]:
    """A client of the ClickHouse behind ``server``."""
    client = connect(clickhouse.url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def tables(client: Client) -> None:
    """The tables of the default database."""
    migrate(client)


@pytest.fixture
def pen(clickhouse: LocalClickHouse, client: Client, tables: None) -> Pen:  # noqa: ARG001
    """Writes events of a site that no other test uses."""
    return Pen(client, f"{uuid.uuid4().hex}.example", clickhouse.url)


@pytest.fixture(scope="session")
def database_of_tests(clickhouse: LocalClickHouse, client: Client) -> str:
    """The URL of a database with our tables, which ``database`` empties."""
    client.command("CREATE DATABASE tests")
    url = f"{clickhouse.url.rpartition('/')[0]}/tests"
    own = connect(url)
    migrate(own)
    own.close()
    return url


@pytest.fixture
def database(client: Client, database_of_tests: str) -> str:
    """The URL of a database with the tables that nodes share, empty as those of a test of its own."""
    client.command("TRUNCATE ALL TABLES FROM tests NOT LIKE 'schema_%'")
    return database_of_tests


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """Settings of a database and a state folder that are empty."""
    return Settings(Clients(database), tmp_path)


@pytest.fixture
def reader(clickhouse: LocalClickHouse, settings: Settings) -> Iterator[Reader]:
    """Reads the events that ``pen`` wrote."""
    clients = Clients(clickhouse.url)
    yield Reader(clients, settings, {"": 1000})
    clients.get().close()


@pytest.fixture
def token() -> str:
    """A text that marks the events of one test."""
    return uuid.uuid4().hex


@pytest.fixture
def rows(client: Client, server: Server, token: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Returns the given columns of the rows whose name contains the token, ordered by name."""

    def read(*columns: str) -> list[tuple[Any, ...]]:
        server.settle()
        query = f"SELECT {', '.join(columns)} FROM events WHERE position(name, '{token}') > 0 ORDER BY name"
        return [tuple(row) for row in client.query(query).result_rows]

    return read
