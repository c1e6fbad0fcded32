"""The Flask application: every route but that of events."""

from pathlib import Path

from flask import Flask, Response, jsonify, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.reader import Reader
from reference_server.analytics.site_settings import Settings
from reference_server.config import Config
from reference_server.delivery.census import longest_stall
from reference_server.delivery.counters import Counts
from reference_server.delivery.own_outbox import OwnOutbox
from reference_server.ingest.sites import Sites
from reference_server.secret_file import derived
from reference_server.storage.client import Clients
from reference_server.web import api
from reference_server.web.access import COOKIE, AccessControl, Login
from reference_server.web.dashboard import dashboard
from reference_server.web.dashboard.guard import page_of, wants_page
from reference_server.web.health import ClickHouseHealth, problems
from reference_server.web.logins import Logins
from reference_server.web.metrics import CONTENT_TYPE, metrics
from reference_server.web.watched import watch

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
    clients = Clients(config.clickhouse_url, config.clickhouse_cluster)
    _errors(app)
    _headers(app)
    settings = Settings(clients, config.state_dir)
    access = AccessControl(config, Logins(clients, config.state_dir))
    app.secret_key = derived(config.secret, "cookies")
    # A node with a secret of its own is the only one.
    app.config.update(COOKIE, NODE=config.node if config.secret_file else "")
    app.session_interface = Login(config.proxies)
    watch(app, clients)
    app.register_blueprint(access.blueprint())
    reader = Reader(clients, settings, config.quota)
    sites = Sites(config.sites)
    app.register_blueprint(
        api.blueprint(reader, settings, sites, access, clients=clients, max_body=config.max_body)
    )
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

    clickhouse = ClickHouseHealth(clients)

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        answers, reasons = clickhouse.answers(), problems(outbox)
        stall = longest_stall(config.outbox_dirs, config.started)
        if answers and stall > STALLED_SECONDS:
            reasons.append(f"an outbox has had pending events and stored none for {stall:.0f} s")
        if reasons:
            report = {"status": "unavailable", "clickhouse": answers, "reason": "; ".join(reasons)}
            return jsonify(report), 503
        if not answers:
            reason = "ClickHouse does not answer: events are accepted and wait"
            return jsonify(status="degraded", clickhouse=False, reason=reason), 200
        return jsonify(status="ok", clickhouse=True), 200

    return app


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
