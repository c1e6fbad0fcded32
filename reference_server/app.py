"""The Flask application: routes and answers, nothing else."""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver.exceptions import ClickHouseError
from flask import Flask, Response, current_app, jsonify, request, send_file
from werkzeug.exceptions import HTTPException

from reference_server.body import INCOMPLETE, BodyIncomplete
from reference_server.clickhouse.client import Clients
from reference_server.config import Config
from reference_server.ingest import Arrival, Ingest
from reference_server.metrics import CONTENT_TYPE, metrics
from reference_server.normalise import Rejected
from reference_server.outbox import Outbox, StoreUnavailable
from reference_server.sites import Sites
from reference_server.visits import Visits

NOTES_HEADER = "X-Clickport-Notes"
_DOCUMENT = Path(__file__).with_name("openapi.json")
_NOTES_LIMIT = 1000
_RETRY_SECONDS = "5"
_TRACKER_SECONDS = 3600


def create_app(config: Config, outbox: Outbox) -> Flask:
    """Return the application, which puts events into the outbox and asks ClickHouse only about its health."""
    app = Flask(__name__, static_folder=None)
    clients = Clients(config.clickhouse_url)
    ingest = Ingest(sites=Sites(config.sites), visits=Visits(config.state_dir), outbox=outbox)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body
    _events(app, ingest)
    _errors(app)

    @app.get("/tracker.js")
    def tracker() -> Response:
        response = send_file(
            config.tracker, mimetype="text/javascript", max_age=_TRACKER_SECONDS, conditional=False
        )
        # Not by send_file, which answers 416 to a Range that is none: the page would be without its tracker.
        response.make_conditional(request)
        # Pages that isolate themselves (COEP) load scripts of other origins only with this.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    @app.get("/openapi.json")
    def document() -> Response:
        return Response(_DOCUMENT.read_bytes(), mimetype="application/json")

    @app.get("/metrics")
    def figures() -> Response:
        return Response(metrics(config.outbox_dir), content_type=CONTENT_TYPE)

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        try:
            clients.get().command("SELECT 1")
        except ClickHouseError:
            current_app.logger.exception("ClickHouse does not answer")
            return jsonify(status="unavailable", clickhouse=False), 503
        return jsonify(status="ok", clickhouse=True), 200

    return app


def _events(app: Flask, ingest: Ingest) -> None:
    @app.post("/api/event", provide_automatic_options=False)
    def event() -> Response:
        arrival = Arrival(
            body=_body(),
            received=datetime.now(UTC),
            ip=request.remote_addr or "",
            user_agent=request.headers.get("User-Agent", ""),
            origin=request.headers.get("Origin", ""),
            referer=request.headers.get("Referer", ""),
            host=request.host,
        )
        response = Response(status=202)
        if notes := ingest.accept(arrival):
            response.headers[NOTES_HEADER] = _header(notes)
        return response

    @app.route("/api/event", methods=["OPTIONS"])
    def preflight() -> Response:
        return Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "*",
                "Access-Control-Max-Age": "86400",
            },
        )

    @app.after_request
    def allow_any_origin(response: Response) -> Response:
        # Without credentials (WIRE-5, WIRE-7), on errors too: otherwise a page cannot read the reason.
        if request.path == "/api/event":
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = NOTES_HEADER
        return response


def _body() -> bytes:
    """The body of the request, which is there (see ``WholeBodies``). Raises BodyIncomplete if it is not."""
    if reason := request.environ.get("asgi.scope", {}).get(INCOMPLETE):
        raise BodyIncomplete(reason)
    return request.get_data(cache=False)


def _errors(app: Flask) -> None:
    """Every error is JSON with a reason; what is our fault does not tell its details."""

    def answer(status: int, reason: str, **headers: str) -> Response:
        response = jsonify(error=reason)
        response.status_code = status
        response.headers.update(headers)
        return response

    @app.errorhandler(Rejected)
    def rejected(error: Rejected) -> Response:
        return answer(400, str(error))

    @app.errorhandler(BodyIncomplete)
    def incomplete(error: BodyIncomplete) -> Response:
        return answer(408, str(error), Connection="close")

    @app.errorhandler(StoreUnavailable)
    @app.errorhandler(sqlite3.Error)
    def unavailable(error: Exception) -> Response:
        app.logger.error("%s", error)
        return answer(503, "the event could not be stored: try again", **{"Retry-After": _RETRY_SECONDS})

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        response = answer(error.code or 500, error.description or error.name)
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        app.logger.exception("unexpected error", exc_info=error)
        return answer(500, "internal error")


def _header(notes: Iterable[str]) -> str:
    """Notes as one header: ASCII, without line breaks, and bounded."""
    text = "; ".join(notes).encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)[:_NOTES_LIMIT]
