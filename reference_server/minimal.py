"""The Clickport custom-events protocol in one Flask application, with one INSERT for each request.

Read this file first. It shares no code with the full server, which docs/minimal-server.md compares with it.

    CLICKHOUSE_URL=http://user:password@127.0.0.1:8123/default \\
        granian --interface wsgi --factory --port 8000 reference_server.minimal:create_app

An event is acknowledged (202) after ClickHouse has committed its row, and never before (STORE-5). The ids,
such as PROP-2, are those of the requirements: `clickport explain PROP-2`.
"""

import json
import os
import re
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NoReturn

import httpx
from flask import Flask, Response, request

PROPERTY_LIMIT = 30  # PROP-2
VALUE_LIMIT = 2000  # PROP-3; UTF-16 code units, which is how JavaScript counts characters (PROP-6)
# WIRE-8: bounds the memory of a request. The largest legal event has 780 KB: 30 keys and 30 values of 2,000
# characters and a name of 10,000, all written as \u escapes.
BODY_LIMIT = 1024**2
# REV-1: 20 digits before the point and 9 after it. `quantize` raises InvalidOperation if there are more.
AMOUNT_STEP = Decimal("1e-9")
AMOUNT_CONTEXT = Context(prec=29)

# STORE-1 to STORE-3. The time is ClickHouse's: the documented payload has none.
CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    timestamp DateTime64(3, 'UTC') DEFAULT now64(3),
    type LowCardinality(String),
    name String,
    meta_keys Array(String),
    meta_values Array(String),
    revenue_source_amount Nullable(Decimal(38, 9)),
    revenue_source_currency LowCardinality(String)
) ENGINE = MergeTree ORDER BY (type, name, timestamp)
"""
INSERT = "INSERT INTO events FORMAT JSONEachRow"

# WIRE-7: pages of every origin may post. On every answer, since a page cannot read a refusal without them.
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type"}


def create_app() -> Flask:
    """Return the application, its table made in the ClickHouse at CLICKHOUSE_URL. Raises httpx.HTTPError."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    clickhouse = connect(os.environ["CLICKHOUSE_URL"])
    clickhouse.post("/", content=CREATE_TABLE).raise_for_status()

    @app.post("/api/event")
    def take_event() -> tuple[dict[str, str], int]:
        try:  # WIRE-7: the body is read as JSON whatever Content-Type says.
            row = row_of(parse(request.get_data()))
        except (ValueError, RecursionError) as error:  # RecursionError: arrays nested some 900 deep
            return {"error": str(error)}, 400
        clickhouse.post("/", params={"query": INSERT}, content=json.dumps(row)).raise_for_status()
        return {}, 202

    @app.errorhandler(httpx.HTTPError)
    def report_unavailable(error: httpx.HTTPError) -> tuple[dict[str, str], int]:
        app.logger.error("ClickHouse did not store an event: %s", error)
        return {"error": "the event was not stored: try again"}, 503

    @app.after_request
    def allow_any_origin(response: Response) -> Response:
        response.headers.update(CORS)
        return response

    return app


def connect(url: str) -> httpx.Client:
    """Return an HTTP client of `http://user:password@host:8123/database` that all threads may use."""
    parts = httpx.URL(url)
    return httpx.Client(
        base_url=parts.copy_with(userinfo=b"", path="/"),  # Errors show this URL: it holds no password.
        auth=(parts.username or "default", parts.password),
        params={"database": parts.path.strip("/") or "default"},
        timeout=30,
        trust_env=False,  # Proxies named in the environment are not used.
    )


def parse(body: bytes) -> Any:
    """Return the JSON value in a body, its numbers as exact decimals. Raises ValueError (WIRE-8)."""
    text = body.decode("utf-8-sig")
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=refuse_constant)
    except InvalidOperation:
        raise ValueError("a number in the body has too large an exponent") from None


def refuse_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and Infinity, which Python would read although JSON has no such numbers."""
    raise ValueError(f"{name} is not JSON")


def row_of(payload: Any) -> dict[str, Any]:
    """Return the columns of a payload. Raises ValueError if it is no event (WIRE-8)."""
    match payload:
        case {"t": "e", "n": str(name)} if name:
            row: dict[str, Any] = {"type": "custom", "name": well_formed(name), **revenue_of(payload)}
        case {"t": "p"}:  # A page visit, which the reference tracker sends and the protocol leaves open.
            row = {"type": "pageview"}
        case _:
            raise ValueError('the body must be a JSON object with "t": "e" and a name "n" that is not empty')
    keys, values = (part if isinstance(part, list) else [] for part in map(payload.get, ("mk", "mv")))
    pairs = list(zip(keys, values, strict=False))[:PROPERTY_LIMIT]  # PROP-1, PROP-7
    row["meta_keys"] = [text_of(key) for key, _ in pairs]
    row["meta_values"] = [cut(text_of(value)) for _, value in pairs]
    return row


def revenue_of(payload: dict[str, Any]) -> dict[str, str]:
    """Return the columns of the revenue, or none: an unfit amount or currency costs no event."""
    amount, currency = payload.get("ra"), payload.get("rc", "USD")  # REV-2
    if not isinstance(amount, Decimal):
        return {}  # REV-4, REV-7
    if not isinstance(currency, str) or not re.fullmatch("[A-Za-z]{3}", currency):
        return {}  # REV-8
    try:
        exact = amount.quantize(AMOUNT_STEP, context=AMOUNT_CONTEXT)
    except InvalidOperation:
        return {}  # REV-7
    return {"revenue_source_amount": f"{exact:f}", "revenue_source_currency": currency}


def text_of(value: Any) -> str:
    """Return a JSON value as text: 3.5 is "3.5" and true "true" (PROP-4); others are their JSON (PROP-5)."""
    if not isinstance(value, str | Decimal):
        value = json.dumps(value, default=str, ensure_ascii=False)
    return well_formed(str(value))


def well_formed(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate, which UTF-8 cannot hold (PROP-6)."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut(text: str) -> str:
    """Return the first 2,000 UTF-16 code units of well-formed text, and no half of a surrogate pair."""
    return text.encode("utf-16-le")[: 2 * VALUE_LIMIT].decode("utf-16-le", "ignore")
