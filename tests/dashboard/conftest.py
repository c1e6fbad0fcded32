"""The dashboard in Chromium, on a real server and a real ClickHouse."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from conformance.browsers import find
from conformance.browsers.playwright_engines import PLAYWRIGHT
from reference_server.storage.client import connect
from reference_server.storage.embedded import LocalClickHouse

STOP_SECONDS = 20
SETTLE_SECONDS = 20
QUOTA = 50
PATIENCE_MS = 15_000  # For a busy machine.

expect.set_options(timeout=PATIENCE_MS)


class Server:
    """A running server, and requests of a site's tracker and owner."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def send(self, site: str, name: str | None, **fields: Any) -> None:
        """Send a custom event, or a pageview without a name."""
        kind = {"t": "p"} if name is None else {"t": "e", "n": name}
        body = {**kind, "d": site, "u": f"https://{site}/", **fields}
        assert self.http.post("/api/event", json=body).status_code == 202

    def settle(self) -> None:
        """Wait until ClickHouse has every sent event."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while "\nclickport_events_pending 0\n" not in self.http.get("/metrics").text:
            assert time.monotonic() < deadline, "events wait for ClickHouse"
            time.sleep(0.01)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """The ClickHouse behind ``server``."""
    with LocalClickHouse(tmp_path_factory.mktemp("clickhouse")) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def client(clickhouse: LocalClickHouse, server: Server) -> Iterator[Client]:
    """A client of it, after the server has created the tables."""
    assert server
    client = connect(clickhouse.url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def server(clickhouse: LocalClickHouse) -> Iterator[Server]:
    """A server for every site, with a quota for ``quota.example``."""
    command = [sys.executable, "-m", "reference_server", "serve", "--port", "0"]
    env = {
        **os.environ,
        "CLICKHOUSE_URL": clickhouse.url,
        "CLICKPORT_QUOTA": f"quota.example={QUOTA},shop.example=25000",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            server = Server(line.removeprefix("Clickport reference server on ").partition(" ")[0])
            yield server
            server.http.close()
            process.terminate()
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium."""
    installed = find("chromium")
    with PLAYWRIGHT as playwright:
        browser = playwright.chromium.launch(executable_path=installed.path or None, args=["--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def site() -> str:
    """A site that no other test uses."""
    return f"{uuid.uuid4().hex[:12]}.example"


Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator[Open]:
    """Opens a path in a new window; an error in its console fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    # For example a violation of the policy. Network errors are tested by what the page does.
    def hear(said: ConsoleMessage) -> None:
        if "Failed to load" not in said.text:
            complaints.append(said.text)

    def open_(path: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=server.url, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", hear)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def feed() -> Callable[..., None]:
    """Shows the live page of a site with an endpoint that sends events of the test."""

    def show(page: Page, site: str, *events: Any) -> None:
        text = "retry: 600000\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events)

        def answer(route: Route) -> None:
            route.fulfill(body=text, content_type="text/event-stream")

        page.route(f"**/api/sites/{site}/live", answer)
        page.goto(f"/{site}/live")

    return show
