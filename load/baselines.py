"""Baseline servers for load runs: ``python baselines.py empty-rsgi|empty-wsgi|flask PORT``.

Each is served by granian with the settings of the reference server: one process, HTTP/1.1. The fourth
baseline, ``reference_server/minimal.py``, is started by granian's own command.

``python baselines.py clickhouse FILE SECONDS`` starts no server. It inserts prepared blocks, made of the
payloads in FILE, into the ClickHouse at CLICKHOUSE_URL and prints ``{"rows": …, "seconds": …}``.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from flask import Flask, request
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BLOCK_ROWS = 50_000  # The block size of the reference server's loader.
TYPES = {
    "timestamp": "DateTime64(3, 'UTC')",
    "type": "LowCardinality(String)",
    "name": "String",
    "meta_keys": "Array(String)",
    "meta_values": "Array(String)",
    "revenue_source_amount": "Nullable(Decimal(38, 9))",
    "revenue_source_currency": "LowCardinality(String)",
}
_TABLE = f"""
CREATE TABLE IF NOT EXISTS blocks ({", ".join(f"{name} {kind}" for name, kind in TYPES.items())})
ENGINE = MergeTree ORDER BY (toDate(timestamp), type, name, timestamp)
"""


async def empty_rsgi(_scope: Any, protocol: Any) -> None:
    """Read the body and respond with 202."""
    await protocol()
    protocol.response_empty(202, [("content-length", "0")])


def empty_wsgi(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Read the body and respond with 202."""
    environ["wsgi.input"].read()
    start_response("202 Accepted", [("Content-Length", "0")])
    return [b""]


def flask() -> Flask:
    """Return a Flask application that reads the body and responds with 202."""
    app = Flask(__name__)

    @app.post("/api/event")
    def event() -> tuple[str, int]:
        request.get_data()
        return "", 202

    return app


def row(payload: dict[str, Any]) -> tuple[Any, ...]:
    """Return a payload as a row of the table ``blocks``."""
    amount = payload.get("ra")
    return (
        datetime.now(UTC),
        "custom" if payload["t"] == "e" else "pageview",
        payload.get("n", ""),
        payload.get("mk", [])[:30],
        [value[:2000] for value in payload.get("mv", [])[:30]],
        None if amount is None else Decimal(amount),
        "" if amount is None else payload.get("rc", "USD"),
    )


def connect() -> Client:
    """Return a client for CLICKHOUSE_URL; create the table ``blocks`` unless it exists."""
    parts = urlsplit(os.environ["CLICKHOUSE_URL"])
    client = clickhouse_connect.get_client(
        host=parts.hostname or "localhost",
        port=parts.port or 8123,
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "default",
        autogenerate_session_id=False,
    )
    client.command(_TABLE)
    return client


def _insert(client: Client, rows: list[tuple[Any, ...]]) -> None:
    client.insert("blocks", rows, column_names=tuple(TYPES), column_type_names=tuple(TYPES.values()))


def feed(payloads: Path, seconds: float) -> dict[str, float]:
    """Insert one prepared Native block repeatedly for ``seconds``; return ``rows`` and ``seconds`` taken."""
    client = connect()
    lines = payloads.read_text(encoding="utf-8").splitlines()
    rows = [row(json.loads(line, parse_float=Decimal)) for line in lines]
    _insert(client, (rows * (BLOCK_ROWS // len(rows) + 1))[:BLOCK_ROWS])
    block = client.raw_query(f"SELECT * FROM blocks LIMIT {BLOCK_ROWS}", fmt="Native")  # noqa: S608 - a number
    began = time.monotonic()
    inserts = 0
    while time.monotonic() - began < seconds:
        client.raw_insert("blocks", list(TYPES), insert_block=block, fmt="Native")
        inserts += 1
    return {"rows": inserts * BLOCK_ROWS, "seconds": time.monotonic() - began}


_SERVERS = {
    "empty-rsgi": ("empty_rsgi", Interfaces.RSGI, False),
    "empty-wsgi": ("empty_wsgi", Interfaces.WSGI, False),
    "flask": ("flask", Interfaces.WSGI, True),
}


def _serve(name: str, port: int) -> None:
    target, interface, factory = _SERVERS[name]
    Granian(
        f"{Path(__file__).stem}:{target}",
        port=port,
        interface=interface,
        loop=Loops.uvloop,
        factory=factory,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    if sys.argv[1] == "clickhouse":
        sys.stdout.write(json.dumps(feed(Path(sys.argv[2]), float(sys.argv[3]))) + "\n")
    else:
        _serve(sys.argv[1], int(sys.argv[2]))
