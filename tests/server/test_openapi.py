"""The OpenAPI document lists every route, and Schemathesis finds no undocumented response."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from clickhouse_connect.driver.client import Client
from flask import Flask
from werkzeug.routing import Rule

from reference_server.config import Config
from reference_server.ingest import endpoint
from reference_server.storage.embedded import LocalClickHouse
from reference_server.web.app import create_app

Start = Callable[..., Any]
DOCUMENT = Path(__file__).parents[2] / "reference_server" / "web" / "openapi.json"
PAGES = {"access", "dashboard"}  # Blueprints of pages.
EXAMPLES = 30  # For the event route, beside those that Schemathesis derives from the document.
# The document cannot express the order of two days or the names of time zones, so 400 is right there.
SETTINGS = f"""
generation.max-examples = {EXAMPLES}
phases.stateful.generation.max-examples = 4
[[operations]]
include-path-regex = "^/api/sites/"
generation.max-examples = 4
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409]
# Schemathesis writes no lines of JSON: see test_imports.py.
[[operations]]
include-path = "/api/sites/{{domain}}/import"
enabled = false
"""


def documented() -> set[tuple[str, str]]:
    """Return the methods and paths in the document."""
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return {(method.upper(), path) for path, operations in paths.items() for method in operations}


def methods(rule: Rule) -> set[str]:
    """Return the methods of a route without those that Flask adds: HEAD for GET, and OPTIONS."""
    added = {"HEAD", "OPTIONS"} if getattr(rule, "provide_automatic_options", False) else {"HEAD"}
    return set(rule.methods or ()) - added


def routes(app: Flask) -> set[tuple[str, str]]:
    """Return the methods and paths of an application, except for pages."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] not in PAGES]
    return {
        (method, re.sub("<(?:int:)?(.*?)>", r"{\1}", rule.rule)) for rule in rules for method in methods(rule)
    }


def schemathesis(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run all checks of Schemathesis, deterministically, in a folder with only these settings."""
    (folder / "schemathesis.toml").write_text(SETTINGS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", url),
        *("--checks", "all", "--continue-on-failure"),
        "--generation-deterministic",
        *("--exclude-path", "/api/sites/{domain}/live"),  # Endless: see test_live.py.
        "--no-color",
    ]
    env = {**os.environ, "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=180, check=False
    )


def test_the_document_lists_every_route_and_no_other(tmp_path: Path) -> None:
    """A change of routes requires a change of the document."""
    config = Config(clickhouse_url="http://127.0.0.1:9/default", state_dir=tmp_path)
    assert documented() == routes(create_app(config)) | {
        (method, endpoint.PATH) for method in endpoint.METHODS
    }


def test_the_server_hands_out_its_document(server: Any) -> None:
    """The server returns the file as JSON."""
    answer: httpx.Response = server.http.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        200,
        "application/json",
        json.loads(DOCUMENT.read_text()),
    )


def test_schemathesis_finds_nothing(
    start: Start, clickhouse: LocalClickHouse, client: Client, tmp_path: Path
) -> None:
    """Documented requests are accepted, others refused, and every response is documented.

    Every site is accepted, so that events go on to ClickHouse.
    """
    with start(CLICKHOUSE_URL=clickhouse.url) as server:
        before = client.query("SELECT count() FROM events").result_rows[0][0]
        done = schemathesis(f"{server.url}/openapi.json", tmp_path)
        server.settle()
        stored = client.query("SELECT count() FROM events").result_rows[0][0] - before
    assert done.returncode == 0, done.stdout + done.stderr
    assert stored > EXAMPLES / 2, f"only {stored} events got through:\n{done.stdout}"
