"""The Flask application: every route but that of events."""

import sqlite3
from pathlib import Path

from clickhouse_connect.driver.exceptions import ClickHouseError
from flask import Flask, Response, current_app, jsonify, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.config import Config
from reference_server.delivery.census import longest_stall
from reference_server.delivery.counters import Counts
from reference_server.delivery.outbox import StoreUnavailable
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.ingest.sites import Sites
from reference_server.storage.client import Clients
from reference_server.web import api
from reference_server.web.access import COOKIE, AccessControl, Login
from reference_server.web.dashboard import dashboard
from reference_server.web.dashboard.guard import page_of, wants_page
from reference_server.web.metrics import CONTENT_TYPE, metrics

_DOCUMENT = Path(__file__).with_name("openapi.json")
_TRACKER_SECONDS = 3600

STALLED_SECONDS = 60
"""Seconds without any event stored, while some wait and ClickHouse answers, after which health fails."""


def create_app(config: Config, outbox: OwnOutbox | None = None) -> Flask:
    """Return the Flask application (for the route of events see ``ingest/endpoint.py``)."""
    counts = Counts(config.state_dir)
    app = Flask(__name__, static_folder=None)
    # Redirects to a merged path would lead to whatever host the Host header names.
    app.url_map.merge_slashes = False
    clients = Clients(config.clickhouse_url)
    _errors(app)
    _headers(app)
    settings = Settings(config.state_dir)
    access = AccessControl(config, settings)
    app.secret_key = settings.secret()
    app.config.update(COOKIE)
    app.session_interface = Login(config.proxies)
    app.register_blueprint(access.blueprint())
    reader = Reader(clients, settings, config.quota)
    sites = Sites(config.sites)
    app.register_blueprint(api.blueprint(reader, settings, sites, access))
    app.register_blueprint(dashboard(reader, settings, sites, access))

    @app.get("/tracker.js")
    def tracker() -> Response:
        response = send_file(
            config.tracker, mimetype="text/javascript", max_age=_TRACKER_SECONDS, conditional=False
        )
        # send_file would answer 416 to an invalid Range, and the page would have no tracker.
        response.make_conditional(request)
        # Isolated pages (COEP) load scripts of other origins only with this header.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    @app.get("/openapi.json")
    def document() -> Response:
        return Response(_DOCUMENT.read_bytes(), mimetype="application/json")

    @app.get("/metrics")
    def figures() -> Response:
        access.check()
        return Response(metrics(config, counts), content_type=CONTENT_TYPE)

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        answers, problems = _answers(clients), _problems(outbox)
        stall = longest_stall(config.outbox_dir, config.started)
        if answers and stall > STALLED_SECONDS:
            problems.append(f"an outbox has had pending events and stored none for {stall:.0f} s")
        if problems:
            report = {"status": "unavailable", "clickhouse": answers, "reason": "; ".join(problems)}
            return jsonify(report), 503
        if not answers:
            reason = "ClickHouse does not answer: events are accepted and wait"
            return jsonify(status="degraded", clickhouse=False, reason=reason), 200
        return jsonify(status="ok", clickhouse=True), 200

    return app


def _answers(clients: Clients) -> bool:
    """Return True if ClickHouse answers within the client's timeout of 3 s."""
    try:
        clients.get().command("SELECT 1")
    except (ClickHouseError, OSError, ValueError) as error:
        current_app.logger.warning("ClickHouse does not answer: %s", error)
        return False
    return True


def _problems(outbox: OwnOutbox | None) -> list[str]:
    """Return the reasons why events cannot be accepted."""
    try:
        if outbox:
            outbox.probe()
    except sqlite3.Error as error:
        return [f"the outbox cannot be written: {error}"]
    except StoreUnavailable as error:
        return [str(error)]
    return []


def _headers(app: Flask) -> None:
    @app.after_request
    def complete(response: Response) -> Response:
        """Forbid type sniffing, and caching unless the route allows it."""
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _errors(app: Flask) -> None:
    """Answer every error with a reason and without details: as a page to browsers, as JSON to others."""

    def answer(status: int, reason: str, **headers: str) -> Response:
        response = jsonify(error=reason)
        response.status_code = status
        response.headers.update(headers)
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> AnyResponse:
        if wants_page():
            return page_of(error)
        response = answer(error.code or 500, error.description or error.name)
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        app.logger.exception("unexpected error", exc_info=error)
        return answer(500, "internal error")
