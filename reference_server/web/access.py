"""Access control: requests from this machine, with a key, or from a browser logged in with a key."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    session,
)
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException, TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from reference_server.addresses import address_of, client_address, forwarded
from reference_server.config import KEY_PREFIX, Config
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.secret_file import derived
from reference_server.storage.shared_tables import ERRORS
from reference_server.web.logins import Logins
from reference_server.web.security_headers import HEADERS

_LASTS = timedelta(days=30)

COOKIE: dict[str, Any] = {
    "SESSION_COOKIE_NAME": "clickport",
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    "PERMANENT_SESSION_LIFETIME": _LASTS,
    # Expiry counts from the login; the server checks it as well (see ``Logins.begin``).
    "SESSION_REFRESH_EACH_REQUEST": False,
}
"""Flask's settings for the login cookie."""

_NO_LOGINS = "ClickHouse, which remembers ended logins, does not answer"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# A forwarded request does not come from this machine.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Login(SecureCookieSessionInterface):
    """Stores the login in a cookie, which is restricted to HTTPS if the login used HTTPS."""

    def __init__(self, proxies: int) -> None:
        self._proxies = proxies

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 (Flask's signature)
        """Return True if the browser used HTTPS, to this server or to the first of our own proxies."""
        scheme = forwarded([request.headers.get("X-Forwarded-Proto", "")], self._proxies)
        return request.is_secure or scheme.lower() == "https"


class AccessControl:
    """Decides which requests may read and change settings."""

    def __init__(self, config: Config, logins: Logins) -> None:
        self._bound = is_loopback(config.bound)
        self._keys = config.api_keys
        self._logins = logins
        self._secret = derived(config.secret, "keys in cookies")
        self._proxies = config.proxies
        self._usage_limits = UsageLimits(config.state_dir)

    def check(self) -> None:
        """Accept the current request, or abort with 401, 403 or 429 and the reason."""
        key = _given_key()
        if key is not None:
            self._check_key(key)
            return  # A page of another origin cannot send these headers.
        if not self._is_local() and not self._is_logged_in():
            if not self._keys:
                abort(
                    403,
                    "reading from another machine needs a key, and the server has none: CLICKPORT_API_KEYS",
                )
            abort(401, "send one of the server's keys as x-api-key, or log in")
        self._check_origin()

    def _check_key(self, key: str) -> None:
        """Abort with 401 for a wrong key, or with 429 after too many attempts, which logins share.

        After too many attempts even the right key has to wait. Otherwise its answer would differ, and
        guessing on would pay.
        """
        now, sender = datetime.now(UTC), self._sender()
        seconds = self._usage_limits.must_wait(sender, now)
        if not seconds:
            if self._fits(key):
                return
            seconds = self._usage_limits.login_wait_seconds(sender, now)
        if seconds:
            raise TooManyRequests(
                f"too many wrong keys from this address: try again in {seconds} seconds",
                retry_after=seconds,
            )
        abort(401, "the x-api-key is not one of the server's keys")

    def check_page(self) -> AnyResponse | None:
        """Like ``check``, but redirect to the login instead of answering 401."""
        try:
            self.check()
        except HTTPException as error:
            if error.code == 401 and request.method in _SAFE:
                wanted = urlencode({"next": request.full_path.removesuffix("?")})
                return redirect(f"/login?{wanted}", code=303)
            raise
        return None

    def blueprint(self) -> Blueprint:
        """Return the routes for logging in and out."""
        routes = Blueprint("access", __name__)

        @routes.get("/login")
        def ask() -> Response:
            return _page("", request.args.get("next", ""))

        @routes.post("/login")
        def enter() -> Response | AnyResponse:
            self._check_origin()
            key, wanted = request.form.get("password", ""), request.form.get("next", "")
            now = datetime.now(UTC)
            # Checked before the key: after too many attempts further ones reveal nothing.
            if seconds := self._usage_limits.login_wait_seconds(self._sender(), now):
                page = _page(f"Too many attempts: try again in {seconds} seconds.", wanted, 429)
                page.headers["Retry-After"] = str(seconds)
                return page
            if not self._fits(key):
                return _page("This is not one of the server's keys.", wanted, 401)
            try:
                self._logins.end(_login(), now)
            except ERRORS as error:
                return self._unwritten("log in again", error, wanted)
            session.clear()
            session.permanent = True
            session.update(key=self._mark(key), login=self._logins.begin(now, _LASTS))
            return redirect(_own_path(wanted), code=303)

        @routes.post("/logout")
        def leave() -> AnyResponse:
            self._check_origin()
            try:
                self._logins.end(_login(), datetime.now(UTC))
            except ERRORS as error:  # Keep the cookie, so that the logout can be repeated.
                return self._unwritten("log out", error)
            session.clear()
            return redirect("/login", code=303)

        return routes

    @staticmethod
    def _unwritten(what: str, error: Exception, wanted: str = "") -> Response:
        current_app.logger.error("ClickHouse does not store that a login ended: %s", error)
        return _page(f"You could not {what}: {_NO_LOGINS}. Try again.", wanted, 503)

    def _sender(self) -> str:
        """Return the address of the client, as seen by the first of our own proxies."""
        lines = [request.headers.get("X-Forwarded-For", "")]
        return client_address(lines, request.remote_addr or "", self._proxies)

    def _is_local(self) -> bool:
        """Return True if the request comes from this machine, to an address and name of this machine.

        The name is checked because a page can resolve its own name to this address (DNS rebinding).
        """
        return (
            self._bound
            and is_loopback(request.remote_addr or "")
            and is_loopback(_host_of(f"//{request.host}")[0])
            and not any(name in request.headers for name in _FORWARDED)
        )

    def _is_logged_in(self) -> bool:
        mark = str(session.get("key", ""))
        if not any(hmac.compare_digest(mark, self._mark(key)) for key in self._keys):
            return False
        try:
            return self._logins.has(_login(), datetime.now(UTC))
        except ERRORS as error:
            current_app.logger.warning("the ended logins cannot be read: %s", error)
            abort(503, f"{_NO_LOGINS}: try again, or send a key as x-api-key")

    def _fits(self, given: str) -> bool:
        """Return True if the key is valid; the time it takes does not depend on the key."""
        digest = _digest(given)
        return sum(hmac.compare_digest(digest, _digest(key)) for key in self._keys) > 0

    def _mark(self, key: str) -> str:
        """Return the mark of a key for the cookie: it reveals nothing and becomes invalid with the key."""
        return hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()

    def _check_origin(self) -> None:
        """Abort with 403 if a page of another origin requests a change."""
        if request.method in _SAFE:
            return
        origin = request.headers.get("Origin")
        foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
        # A malformed origin has no netloc and so differs.
        if foreign or (origin is not None and _host_of(origin)[1] != (request.host or None)):
            abort(403, "pages of other origins cannot change anything here")


def is_loopback(address: str) -> bool:
    """Return True if an address or name is that of this machine."""
    return address == "localhost" or bool((found := address_of(address)) and ip_address(found).is_loopback)


def _given_key() -> str | None:
    """Return the key of the request, from ``x-api-key`` or a bearer token, which Prometheus can send.

    A bearer token without the prefix of keys belongs to a proxy and is ignored.
    """
    key = request.headers.get("X-Api-Key")
    if key is not None:
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(KEY_PREFIX) else None


def _login() -> str:
    """Return the id of the login in the cookie, or ""."""
    return str(session.get("login", ""))


def _host_of(url: str) -> tuple[str, str]:
    """Return host name and netloc of a URL, both empty if the URL is malformed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.netloc


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _own_path(wanted: str) -> str:
    """Return the path to open after the login, or "/" if it might lead to another server."""
    safe = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if safe and wanted.isprintable() else "/"


def _page(error: str, wanted: str, status: int = 200) -> Response:
    response = make_response(render_template("login.html", error=error, next=wanted), status)
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store"
    return response
