"""Fixtures of the tests of the reference server: it runs as a user would run it, on a real ClickHouse."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from reference_server.clickhouse.client import connect
from reference_server.clickhouse.local import LocalClickHouse

STOP_SECONDS = 20


class Server:
    """A started server: its process, what it printed, and an HTTP client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        self.line = process.stdout.readline().strip()
        assert self.line, process.communicate()[1]
        self.url = self.line.removeprefix("Clickport reference server on ").partition(" ")[0]
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=15)

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """Post an event: bytes as they are, anything else as JSON."""
        options: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.post("/api/event", headers=headers, **options)


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


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """Start ``python -m reference_server serve`` on a free port, with options and variables."""
    return _started


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """The ClickHouse behind ``server``."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def server(clickhouse: LocalClickHouse) -> Iterator[Server]:
    """A server for the site example.com that waits a second for bodies."""
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


@pytest.fixture
def token() -> str:
    """A text that marks the events of one test."""
    return uuid.uuid4().hex


@pytest.fixture
def rows(client: Client, server: Server, token: str) -> Callable[..., list[tuple[Any, ...]]]:
    """The given columns of the rows whose name carries the token, in the order of their names."""
    assert server.url  # The table exists once the server runs.

    def read(*columns: str) -> list[tuple[Any, ...]]:
        query = f"SELECT {', '.join(columns)} FROM events WHERE position(name, '{token}') > 0 ORDER BY name"
        return [tuple(row) for row in client.query(query).result_rows]

    return read
