"""Malformed Host and Origin headers, unusual paths, and the headers of every response."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from werkzeug.routing import Rule

from reference_server.storage.embedded import LocalClickHouse
from tests.server.test_access import SETTINGS, app

Start = Callable[..., Any]

SITE = "example.com"
API = f"/api/sites/{SITE}"
LONG = "a" * 20_000
ORIGINS = [
    "http://[",
    "http://]",
    "http://[::1",
    "http://[v1.x]:1",
    "http://a]b",
    "http://\u2100.example",  # Its compatibility form contains a slash.
    "null",
    "",
    " ",
    "http://",
    "://",
    "//",
    "http://localhost http://localhost",
    "http://localhost@evil.example",
    "http://localhost:99999",
    "http://localhost:x",
    f"http://{LONG}",
    LONG,
    "\x7f",
]
HOSTS = [
    "[",
    "]",
    "[::1",
    "[]",
    "a b",
    "a/b",
    "a@b",
    "a:b:c",
    "localhost:99999",
    "\u2100",
    "",
    " ",
    "::1",
    LONG,
]


PATHS = [
    "//evil.example",
    "//evil.example/",
    "//evil.example/events",
    "/assets//evil.example",
    "/assets//lists.js",
    "/assets///x",
    "/assets/..//x",
    "/login/",
    "//login",
    "/login//",
    "/example.com//events",
    "/example.com/",
    "/www.example.com//evil.example",
    "/\\evil.example",
    "/\\EVIL.example",
    "/\\www.evil.example/events",
    "/%2f%2fevil.example",
    "/%2F/evil.example",
    "/%5CEVIL.example",
    "/%5c%5cEVIL.example/events",
    "/%09/evil.example",
    "/\tEVIL.example",
    "/\n/EVIL.example",
    "/www.evil.example%2f..",
    "/https:EVIL.example",
    "/a@EVIL.example",
    "/.//evil.example",
    "/;//evil.example",
    "/favicon.ico",
    "/api//sites/example.com/settings",
    "/api/sites//example.com/settings",
    "/metrics/",
    "/healthz//",
]


def changes(rules: Iterable[Rule]) -> list[tuple[str, str]]:
    """Return method and path of every route that changes something."""
    return [
        (method, re.sub("<int:.*?>", "1", rule.rule).replace("<domain>", SITE).replace("<site>", SITE))
        for rule in rules
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"})
    ]


def test_a_malformed_origin_changes_nothing(database: str, tmp_path: Path) -> None:
    """Every such route answers 403, with a login or on this machine."""
    local, remote = app(database, tmp_path, "127.0.0.1"), app(database, tmp_path)
    remote_client = remote.test_client()
    remote_client.post("/login", data={"password": "ck_one"})
    routes = changes(local.url_map.iter_rules())
    assert len(routes) >= 8
    wrong = [
        (method, path, origin[:50], answer.status_code)
        for client in (local.test_client(), remote_client)
        for method, path in routes
        for origin in ORIGINS
        if (answer := client.open(path, method=method, headers={"Origin": origin})).status_code != 403
    ]
    assert wrong == []
    assert remote_client.get(SETTINGS).json == {"timezone": "UTC"}


@pytest.mark.parametrize(
    "path", [SETTINGS, "/metrics", "/login", "/example.com/live", "/nothing/here", "/logout"]
)
def test_a_malformed_host_is_no_fault(database: str, tmp_path: Path, path: str) -> None:
    """A malformed Host is not a name of this machine, and no origin equals it."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    for host in HOSTS:
        environ = {"HTTP_HOST": host, "REMOTE_ADDR": "127.0.0.1"}
        read = client.get(path, environ_overrides=environ).status_code
        assert read != 500, host[:30]
        if path == SETTINGS:
            assert read in (400, 401), host[:30]
        for origin in (None, "null", "", f"http://{host}"):
            headers = {} if origin is None else {"Origin": origin}
            sent = client.post(path, headers=headers, environ_overrides=environ).status_code
            assert sent != 500, (host[:30], origin)


@pytest.mark.parametrize("path", PATHS)
def test_no_redirect_leads_to_another_server(database: str, tmp_path: Path, path: str) -> None:
    """Whatever the path and the Host header, a redirect stays on this server, as browsers read it."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    for host in ("localhost", "evil.example"):
        environ = {"PATH_INFO": unquote(path), "HTTP_HOST": host, "REMOTE_ADDR": "127.0.0.1"}
        for method in ("GET", "POST"):
            answer = client.open("/", method=method, environ_overrides=environ)
            assert answer.status_code != 500
            if (location := answer.headers.get("Location")) is not None:
                assert (own_path(location), answer.status_code // 100) == (True, 3), location


def own_path(location: str) -> bool:
    """Return True if a browser stays on the server; it reads a backslash as a slash and drops tabs."""
    read = re.sub(r"[\t\r\n]", "", location).replace("\\", "/").strip()
    return read.startswith("/") and not read.startswith("//")


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil",
        "/\\evil",
        "\\/evil",
        "\\\\evil",
        "/\t/evil",
        "/\n/evil",
        "\t//evil",
        " //evil",
        "///evil",
        "https:evil",
        "https:/evil",
        "javascript:alert(1)",
        "evil",
        "/\r\nSet-Cookie: a=b",
        "/\x00/evil",
        "/\u2028",
    ],
)
def test_a_login_leads_to_a_path_of_this_server(database: str, tmp_path: Path, wanted: str) -> None:
    """The target is not trusted, in the form and in the link to it."""
    client = app(database, tmp_path).test_client()
    answer = client.post("/login", data={"password": "ck_one", "next": wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_site_by_its_other_name_is_led_to_its_own(database: str, tmp_path: Path) -> None:
    """The redirect keeps the rest of the path, quoted."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    answer = client.get("/www.Example.com/settings/goals")
    assert answer.headers["Location"] == "/example.com/settings/goals"


ANSWERS = [
    ("GET", SETTINGS, {}, 200),
    ("GET", f"{API}/live", {}, 200),
    ("PUT", SETTINGS, {"Origin": "http://evil.example"}, 403),
    ("GET", SETTINGS, {"x-api-key": "ck_no"}, 401),
    ("GET", f"{API}/kpis", {}, 200),
    ("GET", f"{API}/kpis?period=never", {}, 400),
    ("GET", f"{API}/nothing", {}, 404),
    ("POST", SETTINGS, {}, 405),
    ("PUT", SETTINGS, {}, 415),
    ("DELETE", f"{API}/goals/1", {}, 404),
    ("OPTIONS", SETTINGS, {}, 200),
    ("GET", "/healthz", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/login", {}, 200),
    ("POST", "/login", {}, 401),
    ("POST", "/logout", {}, 303),
    ("GET", "/nothing/at/all", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "headers", "expected"), ANSWERS)
def test_no_answer_is_kept_or_taken_for_another_type(  # noqa: PLR0917
    database: str, tmp_path: Path, method: str, path: str, headers: dict[str, str], expected: int
) -> None:
    """Includes errors, the login and streams."""
    answer = app(database, tmp_path, "127.0.0.1").test_client().open(path, method=method, headers=headers)
    assert (
        answer.status_code,
        answer.headers["Cache-Control"],
        answer.headers["X-Content-Type-Options"],
    ) == (
        expected,
        "no-store",
        "nosniff",
    )


def test_files_are_kept(database: str, tmp_path: Path) -> None:
    """The tracker is cached for an hour; it and the files of the pages have a fixed type."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    tracker, script = client.get("/tracker.js"), client.get("/assets/lists.js")
    assert "max-age=3600" in tracker.headers["Cache-Control"]
    assert script.headers["Cache-Control"] != "no-store"
    assert [each.headers["X-Content-Type-Options"] for each in (tracker, script)] == ["nosniff"] * 2
    tracker.close()
    script.close()


@pytest.mark.parametrize(
    ("bound", "headers", "expected"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 401),
        ("0.0.0.0", {}, 401),
        ("0.0.0.0", {"x-api-key": "ck_one"}, 200),
        ("0.0.0.0", {"Authorization": "Bearer ck_one"}, 200),
        ("0.0.0.0", {"Authorization": "Bearer ck_no"}, 401),
    ],
)
def test_metrics_are_for_those_who_may_read(
    database: str, tmp_path: Path, bound: str, headers: dict[str, str], expected: int
) -> None:
    """Metrics are free on this machine, as all reading is; elsewhere they need a key in either header."""
    client = app(database, tmp_path, bound).test_client()
    assert client.get("/metrics", headers=headers).status_code == expected


def test_the_application_gets_all_lines_of_a_header(start: Start, clickhouse: LocalClickHouse) -> None:
    """Attempts to log in count by the last line; a header with underscores is a different one and ignored."""
    env = {"CLICKPORT_PROXIES": "1", "CLICKPORT_API_KEYS": "ck_one"}
    with start(CLICKHOUSE_URL=clickhouse.url, **env) as server:

        def status(number: int) -> int:
            headers = [
                ("X-Forwarded-For", f"198.51.100.{number}"),
                ("X-Forwarded-For", "192.0.2.1"),
                ("X_Forwarded_For", f"203.0.113.{number}"),
            ]
            return int(server.http.post("/login", data={"password": "ck_no"}, headers=headers).status_code)

        assert 429 in [status(number) for number in range(21)]  # A new minute may begin once.


def test_answers_to_events_are_not_kept_either(server: Any) -> None:
    """Holds whatever the outcome of the event."""
    answers = [
        server.post({"t": "e", "n": "a", "d": "example.com"}),
        server.post(b"{"),
        server.http.get("/api/event"),
        server.http.options("/api/event"),
    ]
    assert [answer.status_code for answer in answers] == [202, 400, 405, 204]
    assert {(a.headers["Cache-Control"], a.headers["X-Content-Type-Options"]) for a in answers} == {
        ("no-store", "nosniff")
    }
