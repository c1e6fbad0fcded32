"""Access control, security headers and error pages of the dashboard."""

from clickhouse_connect.driver.exceptions import ClickHouseError
from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from reference_server.analytics.running import Left
from reference_server.web.access import AccessControl
from reference_server.web.arguments import require_short_arguments
from reference_server.web.security_headers import HEADERS

_TITLES = {400: "That cannot be shown", 403: "Not allowed", 404: "Page not found"}


def add_guard(pages: Blueprint, access: AccessControl) -> None:
    """Add access control, security headers and error pages to the blueprint."""

    @pages.after_request
    def _head(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.endpoint != "dashboard.static":
            response.headers["Cache-Control"] = "no-store"
        return response

    @pages.before_request
    def _access() -> AnyResponse | None:
        return None if request.endpoint == "dashboard.static" else access.check_page()

    pages.before_request(require_short_arguments)

    @pages.errorhandler(HTTPException)
    def _http(error: HTTPException) -> tuple[str, int, dict[str, str]]:
        status = error.code or 500
        again = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return *_error(
            status, _TITLES.get(status, "That did not work"), error.description or error.name
        ), again

    @pages.errorhandler(ValueError)
    def _value(error: ValueError) -> tuple[str, int]:
        text = str(error)
        return _error(400, _TITLES[400], f"{text[:1].upper()}{text[1:]}.")

    @pages.errorhandler(ClickHouseError)
    def _away(error: ClickHouseError) -> tuple[str, int]:
        current_app.logger.error("ClickHouse does not answer: %s", error)
        text = (
            "ClickHouse, which stores the events, does not answer. Events are still accepted and will be "
            "stored when it is back. This page reloads by itself."
        )
        return _error(503, "The data is not available right now", text)

    @pages.errorhandler(Left)
    def _left(_error: Left) -> tuple[str, int]:
        return "", 408  # The client has left: the answer is not received.

    @pages.errorhandler(Exception)
    def _fault(error: Exception) -> tuple[str, int]:
        current_app.logger.exception("unexpected error", exc_info=error)
        return _error(500, "Internal server error", "The server's log has the details.")


def wants_page() -> bool:
    """Return True if a browser asked for the address that the current request failed on.

    The JSON API and the files of the tracker answer JSON to everybody.
    """
    accepted = request.accept_mimetypes
    return not request.path.startswith("/api/") and accepted["text/html"] > accepted["application/json"]


def page_of(error: HTTPException) -> AnyResponse:
    """Return the error page of an address outside of the dashboard."""
    status = error.code or 500
    text = (
        "The address belongs to no page of this server." if status == 404 else error.description or error.name
    )
    page, _ = _error(status, _TITLES.get(status, "That did not work"), text)
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return Response(page, status, {**HEADERS, "Cache-Control": "no-store", **headers}, mimetype="text/html")


def _error(status: int, title: str, text: str) -> tuple[str, int]:
    # If the site is known, the error page links back to it.
    site = (request.view_args or {}).get("site") if status != 404 else None
    return render_template("error.html", status=status, title=title, text=text, site=site), status
