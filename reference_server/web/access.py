"""Who may read and change settings: this machine, a key, or somebody who has logged in with one."""

import hashlib
import hmac
import sqlite3
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
from reference_server.analytics.site_settings import Settings
from reference_server.config import KEY_PREFIX, Config
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.web.security_headers import HEADERS

_LASTS = timedelta(days=30)

COOKIE: dict[str, Any] = {
    "SESSION_COOKIE_NAME": "clickport",
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    "PERMANENT_SESSION_LIFETIME": _LASTS,
    # Counted from the login on, by the server as well: see ``Settings.begin_login``.
    "SESSION_REFRESH_EACH_REQUEST": False,
}
"""How Flask is to keep the login."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Who forwards for somebody else is no longer this machine.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Login(SecureCookieSessionInterface):
    """Keeps the login in a cookie; one that came by HTTPS is sent by HTTPS only."""

    def __init__(self, proxies: int) -> None:
        self._proxies = proxies

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 (Flask's signature)
        """Whether the browser spoke HTTPS, to this server or to the first of our own proxies."""
        told = forwarded([request.headers.get("X-Forwarded-Proto", "")], self._proxies)
        return request.is_secure or told.lower() == "https"


class AccessControl:
    """Lets requests through, or not."""

    def __init__(self, config: Config, settings: Settings) -> None:
        self._bound = is_loopback(config.bound)
        self._keys = config.api_keys
        self._settings = settings
        self._secret = settings.secret()
        self._proxies = config.proxies
        self._usage_limits = UsageLimits(config.state_dir)

    def check(self) -> None:
        """Let the current request through, or abort it with 401, 403 or 429 and the reason."""
        key = _given_key()
        if key is not None:
            self._check_key(key)
            return  # No page of another origin can send these headers.
        if not self._is_local() and not self._is_logged_in():
            if not self._keys:
                abort(
                    403,
                    "reading from another machine needs a key, and the server has none: CLICKPORT_API_KEYS",
                )
            abort(401, "send one of the server's keys as x-api-key, or log in")
        self._check_origin()

    def _check_key(self, key: str) -> None:
        """Abort with 401 for a wrong key, and with 429 after too many tries, which are those of the login.

        An address that has tried too often waits with a right key as well: otherwise the answer to the right
        one would tell it apart, and trying on would pay.
        """
        now, sender = datetime.now(UTC), self._sender()
        seconds = self._usage_limits.must_wait(sender, now)
        if not seconds:
            if self._fits(key):
                return
            seconds = self._usage_limits.login_wait_seconds(sender, now)
        if seconds:
            raise TooManyRequests(
                f"too many wrong keys from this address: the next one may be sent in {seconds} seconds",
                retry_after=seconds,
            )
        abort(401, "the x-api-key is not one of the server's keys")

    def check_page(self) -> AnyResponse | None:
        """Like ``check``, for pages: who may not see them is led to the login."""
        try:
            self.check()
        except HTTPException as error:
            if error.code == 401 and request.method in _SAFE:
                wanted = urlencode({"next": request.full_path.removesuffix("?")})
                return redirect(f"/login?{wanted}", code=303)
            raise
        return None

    def blueprint(self) -> Blueprint:
        """The routes of logging in and out."""
        routes = Blueprint("access", __name__)

        @routes.get("/login")
        def ask() -> Response:
            return _page("", request.args.get("next", ""))

        @routes.post("/login")
        def enter() -> Response | AnyResponse:
            self._check_origin()
            key, wanted = request.form.get("password", ""), request.form.get("next", "")
            now = datetime.now(UTC)
            # Before the key is looked at: an address that has tried too often learns nothing by trying on.
            if seconds := self._usage_limits.login_wait_seconds(self._sender(), now):
                page = _page(f"Too many tries: the next one may be made in {seconds} seconds.", wanted, 429)
                page.headers["Retry-After"] = str(seconds)
                return page
            if not self._fits(key):
                return _page("This is not one of the server's keys.", wanted, 401)
            try:
                self._settings.end_login(_login())
                login = self._settings.begin_login(now, _LASTS)
            except sqlite3.Error as error:
                return self._unwritten("log in", error, wanted)
            session.clear()
            session.permanent = True
            session.update(key=self._mark(key), login=login)
            return redirect(_own_path(wanted), code=303)

        @routes.post("/logout")
        def leave() -> AnyResponse:
            self._check_origin()
            try:
                self._settings.end_login(_login())
            except sqlite3.Error as error:  # The cookie stays, so that logging out can be tried again.
                return self._unwritten("log out", error)
            session.clear()
            return redirect("/login", code=303)

        return routes

    @staticmethod
    def _unwritten(what: str, error: sqlite3.Error, wanted: str = "") -> Response:
        current_app.logger.error("the settings in CLICKPORT_STATE cannot be written: %s", error)
        return _page(f"You could not {what}: the server cannot write to its disk. Try again.", wanted, 503)

    def _sender(self) -> str:
        """Return the address of the client, as the first of our own proxies saw it."""
        lines = [request.headers.get("X-Forwarded-For", "")]
        return client_address(lines, request.remote_addr or "", self._proxies)

    def _is_local(self) -> bool:
        """Return whether the request comes from this machine, to an address and a name of this machine.

        The name counts, as a page may make its own name lead here while it is open (DNS rebinding).
        """
        return (
            self._bound
            and is_loopback(request.remote_addr or "")
            and is_loopback(_host_of(f"//{request.host}")[0])
            and not any(name in request.headers for name in _FORWARDED)
        )

    def _is_logged_in(self) -> bool:
        mark = str(session.get("key", ""))
        return any(
            hmac.compare_digest(mark, self._mark(key)) for key in self._keys
        ) and self._settings.has_login(_login(), datetime.now(UTC))

    def _fits(self, given: str) -> bool:
        """Compare with every key, each in the same time, so that the time tells nothing."""
        digest = _digest(given)
        return sum(hmac.compare_digest(digest, _digest(key)) for key in self._keys) > 0

    def _mark(self, key: str) -> str:
        """What a cookie holds: it leads to no key, and ends with the key."""
        return hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()

    def _check_origin(self) -> None:
        """Refuse what a page of another origin would have changed."""
        if request.method in _SAFE:
            return
        origin = request.headers.get("Origin")
        foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
        # An origin that is malformed has no netloc, and is not this one.
        if foreign or (origin is not None and _host_of(origin)[1] != (request.host or None)):
            abort(403, "a page of another origin cannot change anything here")


def is_loopback(address: str) -> bool:
    """Return whether an address or a name is that of this machine."""
    return address == "localhost" or bool((found := address_of(address)) and ip_address(found).is_loopback)


def _given_key() -> str | None:
    """Return the key of the request: ``x-api-key``, or a bearer token, which every Prometheus can send.

    A bearer token without the prefix of keys is that of a proxy, and does not count.
    """
    key = request.headers.get("X-Api-Key")
    if key is not None:
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(KEY_PREFIX) else None


def _login() -> str:
    """Return the id of the login that the cookie carries, or ""."""
    return str(session.get("login", ""))


def _host_of(url: str) -> tuple[str, str]:
    """Return the host name of a URL and its netloc; both empty if the URL is malformed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.netloc


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _own_path(wanted: str) -> str:
    """Where to go after the login: a path of this server and of no other."""
    safe = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if safe and wanted.isprintable() else "/"


def _page(error: str, wanted: str, status: int = 200) -> Response:
    response = make_response(render_template("login.html", error=error, next=wanted), status)
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store"
    return response
