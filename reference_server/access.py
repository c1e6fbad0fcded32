"""Who may read and change settings: this machine, a key, or somebody who has logged in with one."""

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
    make_response,
    redirect,
    render_template,
    request,
    session,
)
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from reference_server.config import Config
from reference_server.doors import Doors
from reference_server.policy import HEADERS
from reference_server.settings import Settings

COOKIE: dict[str, Any] = {
    "SESSION_COOKIE_NAME": "clickport",
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    "PERMANENT_SESSION_LIFETIME": timedelta(days=30),
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
        return request.is_secure or _forwarded("X-Forwarded-Proto", self._proxies, "").lower() == "https"


class Door:
    """Lets requests through, or not."""

    def __init__(self, config: Config, settings: Settings) -> None:
        self._bound = is_loopback(config.bound)
        self._keys = config.api_keys
        self._secret = settings.secret()
        self._proxies = config.proxies
        self._doors = Doors(config.state_dir)

    def check(self) -> None:
        """Let the current request through, or abort it with 401 or 403 and the reason."""
        key = request.headers.get("X-Api-Key")
        if key is not None:
            if not self._fits(key):
                abort(401, "the x-api-key is not one of the server's keys")
            return  # No page of another origin can send this header.
        if not self._is_local() and not self._is_logged_in():
            if not self._keys:
                abort(
                    403,
                    "reading from another machine needs a key, and the server has none: CLICKPORT_API_KEYS",
                )
            abort(401, "send one of the server's keys as x-api-key, or log in")
        self._check_origin()

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
            sender = _forwarded("X-Forwarded-For", self._proxies, request.remote_addr or "")
            # Before the key is looked at: who has tried too often learns nothing by trying on.
            if seconds := self._doors.may_try(sender, datetime.now(UTC)):
                page = _page(f"Too many tries: the next one may be made in {seconds} seconds.", wanted, 429)
                page.headers["Retry-After"] = str(seconds)
                return page
            if not self._fits(key):
                return _page("This is not one of the server's keys.", wanted, 401)
            session.clear()
            session.permanent = True
            session["key"] = self._mark(key)
            return redirect(_own_path(wanted), code=303)

        @routes.post("/logout")
        def leave() -> AnyResponse:
            self._check_origin()
            session.clear()
            return redirect("/login", code=303)

        return routes

    def _is_local(self) -> bool:
        """Whether it comes from this machine, to an address and a name of this machine.

        The name, as another site's name may be made to lead here while its page is open (DNS rebinding).
        """
        return (
            self._bound
            and is_loopback(request.remote_addr or "")
            and is_loopback(urlsplit(f"//{request.host}").hostname or "")
            and not any(name in request.headers for name in _FORWARDED)
        )

    def _is_logged_in(self) -> bool:
        mark = str(session.get("key", ""))
        return any(hmac.compare_digest(mark, self._mark(key)) for key in self._keys)

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
        if foreign or (origin is not None and urlsplit(origin).netloc != request.host):
            abort(403, "a page of another origin cannot change anything here")


def is_loopback(address: str) -> bool:
    """Whether an address or a name is that of this machine."""
    try:
        found = ip_address(address)
    except ValueError:
        return address == "localhost"
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _forwarded(header: str, proxies: int, otherwise: str) -> str:
    """What the first of our own proxies wrote; what others have put before it is not believed."""
    told = [value.strip() for value in request.headers.get(header, "").split(",")]
    return (told[-min(proxies, len(told))] if proxies else "") or otherwise


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
