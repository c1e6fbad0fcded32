"""Access control: this machine, keys and logins; nothing through other people's browsers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from reference_server.config import Config
from reference_server.storage.client import Clients
from reference_server.storage.embedded import LocalClickHouse
from reference_server.web.access import AccessControl, is_loopback
from reference_server.web.app import create_app
from reference_server.web.logins import Logins

SETTINGS = "/api/sites/example.com/settings"
KEYS = ("ck_one", "ck_zwei_ü")
Start = Callable[..., Any]


def app(
    database: str, folder: Path, bound: str = "0.0.0.0", keys: tuple[str, ...] = KEYS, proxies: int = 0
) -> Flask:
    """Return a server bound to an address, on the database of a test and a state folder."""
    return create_app(
        Config(clickhouse_url=database, state_dir=folder, bound=bound, api_keys=keys, proxies=proxies)
    )


def log_in(server: Flask, key: str, peer: str = "203.0.113.5", **headers: str) -> TestResponse:
    """Log in with a key from an address, with a browser that has no cookie yet."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.test_client().post(
        "/login", data={"password": key}, headers=given, environ_overrides={"REMOTE_ADDR": peer}
    )


def exhaust(server: Flask, *others: Flask, **headers: str) -> None:
    """Use up the attempts with wrong keys; if a new minute begins meanwhile, go on."""
    servers = (server, *others)
    statuses = [log_in(servers[n % len(servers)], "ck_no", **headers).status_code for n in range(21)]
    tries = statuses.index(429)
    assert (tries >= 10, set(statuses[:tries])) == (True, {401})


def status(
    client: FlaskClient, *, peer: str = "203.0.113.5", host: str = "stats.example", **headers: str
) -> int:
    """Request the settings from an address, under a host name of the server."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = {"REMOTE_ADDR": peer, "HTTP_HOST": host}
    return client.get(SETTINGS, headers=given, environ_overrides=environ).status_code


@pytest.mark.parametrize(
    ("bound", "peer", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:8000", 200),
        ("127.0.0.1", "127.0.0.1", "localhost:8000", 200),
        ("::1", "::1", "[::1]:8000", 200),
        ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", 200),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1", 401),  # Reachable from elsewhere: a key is needed everywhere.
        ("", "127.0.0.1", "127.0.0.1", 401),
        ("127.0.0.1", "203.0.113.5", "127.0.0.1", 401),
        ("127.0.0.1", "", "127.0.0.1", 401),
        ("127.0.0.1", "127.0.0.1", "rebound.example", 401),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1.rebound.example", 401),
    ],
)
def test_only_this_machine_reads_without_a_key(  # noqa: PLR0917
    database: str, tmp_path: Path, bound: str, peer: str, host: str, expected: int
) -> None:
    """A request counts as local by its peer, its address and its host name, against DNS rebinding."""
    assert status(app(database, tmp_path, bound).test_client(), peer=peer, host=host) == expected


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxy_on_this_machine_is_not_this_machine(database: str, tmp_path: Path, header: str) -> None:
    """Forwarded requests come from elsewhere, whatever their headers claim."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    answer = client.get(SETTINGS, headers={header: "127.0.0.1"})
    assert (client.get(SETTINGS).status_code, answer.status_code) == (200, 401)


def test_a_key_lets_in(database: str, tmp_path: Path) -> None:
    """Each key works unchanged; a wrong key is an error even on this machine."""
    client = app(database, tmp_path).test_client()
    assert [status(client, x_api_key=key) for key in ("ck_one", "ck_on", "ck_one ck_one", "", "CK_ONE")] == [
        *(200, 401, 401, 401, 401)
    ]
    assert (
        status(
            app(database, tmp_path, "127.0.0.1").test_client(),
            peer="127.0.0.1",
            host="localhost",
            x_api_key="no",
        )
        == 401
    )


def test_a_server_without_keys_says_what_is_missing(database: str, tmp_path: Path) -> None:
    """The 403 names the variable; an empty key does not count."""
    client = app(database, tmp_path, keys=()).test_client()
    answer = client.get(SETTINGS)
    assert (answer.status_code, "CLICKPORT_API_KEYS" in answer.text) == (403, True)
    assert status(client, x_api_key="") == 401
    assert client.post("/login", data={"password": ""}).status_code == 401


def test_a_login_lasts_until_the_logout(database: str, tmp_path: Path) -> None:
    """The key is the password; scripts cannot read the cookie, and other sites cannot send it."""
    client = app(database, tmp_path).test_client()
    assert client.post("/login", data={"password": "ck_two"}).status_code == 401
    assert status(client) == 401
    answer = client.post("/login", data={"password": KEYS[1], "next": "/example.com?period=7d"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/example.com?period=7d")
    cookie = answer.headers["Set-Cookie"]
    assert ("HttpOnly" in cookie, "SameSite=Strict" in cookie, "ck_" in cookie) == (True, True, False)
    assert client.get(SETTINGS).status_code == 200
    assert client.post("/logout").status_code == 303
    assert client.get(SETTINGS).status_code == 401


def test_a_login_ends_with_its_key(database: str, tmp_path: Path) -> None:
    """Other processes of the server accept the cookie, unless they lack the key."""
    first, second = app(database, tmp_path), app(database, tmp_path)
    client = first.test_client()
    client.post("/login", data={"password": "ck_one"})
    cookie = client.get_cookie("clickport")
    assert cookie
    statuses = []
    for server in (second, app(database, tmp_path, keys=KEYS[1:]), app(database, tmp_path / "other")):
        other = server.test_client()
        other.set_cookie("clickport", cookie.value)
        statuses.append(other.get(SETTINGS).status_code)
    assert statuses == [200, 401, 401]


def test_a_client_that_tries_too_often_has_to_wait(database: str, tmp_path: Path) -> None:
    """The limit holds in all processes and for the right key too; other addresses are unaffected."""
    server = app(database, tmp_path)
    exhaust(server, app(database, tmp_path))
    # A new minute may begin once between two requests.
    late = next(a for a in (log_in(server, "ck_one") for _ in range(12)) if a.status_code == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert f"try again in {late.headers['Retry-After']} seconds" in late.text
    assert ('role="alert"' in late.text, 'type="password"' in late.text) == (True, True)
    assert ("Set-Cookie" in late.headers, late.headers["Cache-Control"]) == (False, "no-store")
    assert log_in(server, "ck_one", peer="203.0.113.6").status_code == 303


def test_behind_a_proxy_everybody_has_his_own_tries(database: str, tmp_path: Path) -> None:
    """Addresses are those that the proxy saw; entries sent by the client give no more attempts."""
    server = app(database, tmp_path, proxies=1)
    exhaust(server, x_forwarded_for="198.51.100.1")
    made_up = (f"192.0.2.{n}, 198.51.100.1" for n in range(12))
    assert 429 in [log_in(server, "ck_no", x_forwarded_for=each).status_code for each in made_up]
    assert log_in(server, "ck_one", x_forwarded_for="198.51.100.2").status_code == 303


def test_without_a_proxy_no_client_makes_up_an_address(database: str, tmp_path: Path) -> None:
    """A header that anyone can send gives no more attempts."""
    server = app(database, tmp_path)
    statuses = [log_in(server, "ck_no", x_forwarded_for=f"192.0.2.{n}").status_code for n in range(21)]
    assert 429 in statuses


@pytest.mark.parametrize(
    ("proxies", "told", "secure"),
    [
        (0, "", False),
        (0, "https", False),  # Not from a proxy of ours.
        (1, "", False),
        (1, "http", False),
        (1, "https", True),
        (1, "HTTPS", True),
        (1, "https, http", False),
        (2, "https", True),
        (2, "https, http", True),
        (1, "http, https", True),
        (1, "http,https,", True),
        (1, "https,http ,", False),
    ],
)
def test_a_login_by_https_stays_there(
    database: str, tmp_path: Path, proxies: int, told: str, secure: bool
) -> None:
    """The cookie of a login by HTTPS is Secure; browsers would not return such a one by HTTP."""
    server = app(database, tmp_path, proxies=proxies)
    headers = {"x_forwarded_proto": told} if told else {}
    cookie = log_in(server, "ck_one", **headers).headers["Set-Cookie"]
    assert ("; Secure" in cookie) == secure


def test_a_login_on_this_machine_needs_no_https(database: str, tmp_path: Path) -> None:
    """Browsers that keep Secure cookies to HTTPS can log in locally; HTTPS needs no proxy for Secure."""
    client = app(database, tmp_path).test_client()
    client.post("http://127.0.0.1:8000/login", data={"password": "ck_one"})
    assert client.get(f"http://127.0.0.1:8000{SETTINGS}").status_code == 200
    answer = client.post("https://127.0.0.1:8000/login", data={"password": "ck_one"})
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "evil", ""]
)
def test_a_login_leads_to_no_other_server(database: str, tmp_path: Path, wanted: str) -> None:
    """The target of a link to the login is not trusted."""
    answer = app(database, tmp_path).test_client().post("/login", data={"password": "ck_one", "next": wanted})
    assert answer.headers["Location"] == "/"


def test_a_page_leads_to_the_login_and_back(database: str, tmp_path: Path) -> None:
    """The path and query of the page are kept."""
    access = AccessControl(
        Config(clickhouse_url=database, state_dir=tmp_path, api_keys=KEYS),
        Logins(Clients(database), tmp_path),
    )
    server = app(database, tmp_path)
    with server.test_request_context("/example.com?from=2026-11-01&to=2026-11-02"):
        answer = access.check_page()
    assert answer
    client = server.test_client()
    wanted = client.get(answer.headers["Location"])
    assert (answer.status_code, wanted.status_code) == (303, 200)
    wanted_next = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    after = client.post("/login", data={"password": "ck_one", "next": wanted_next})
    assert after.headers["Location"] == "/example.com?from=2026-11-01&to=2026-11-02"


def test_the_login_page_escapes(database: str, tmp_path: Path) -> None:
    """The login page stays a form, whatever its link contains."""
    answer = app(database, tmp_path).test_client().get('/login?next="><script>alert(1)</script>')
    assert (answer.status_code, "<script>" in answer.text, 'type="password"' in answer.text) == (
        200,
        False,
        True,
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    database: str, tmp_path: Path, headers: dict[str, str]
) -> None:
    """Foreign pages can neither change anything nor log in or out; they cannot send keys."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    change: dict[str, Any] = {"json": {"timezone": "Asia/Tokyo"}}
    assert client.put(SETTINGS, headers=headers, **change).status_code == 403
    assert client.post("/login", data={"password": "ck_one"}, headers=headers).status_code == 403
    assert client.post("/logout", headers=headers).status_code == 403
    assert client.get(SETTINGS).json == {"timezone": "UTC"}
    assert client.put(SETTINGS, headers={**headers, "x-api-key": "ck_one"}, **change).status_code == 200


def test_a_page_of_the_server_itself_changes_settings(database: str, tmp_path: Path) -> None:
    """Browsers mark such requests as same-origin."""
    client = app(database, tmp_path, "127.0.0.1").test_client()
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.put(SETTINGS, headers=headers, json={"timezone": "Asia/Tokyo"}).status_code == 200


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("::ffff:127.0.0.1", True)]
    + [
        (address, False)
        for address in ("", "0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "localhost.example")
    ],
)
def test_what_is_this_machine(address: str, expected: bool) -> None:
    """Loopback addresses and names count as local, wildcard addresses do not."""
    assert is_loopback(address) == expected


def test_a_started_server_knows_what_it_is_bound_to(start: Start, clickhouse: LocalClickHouse) -> None:
    """Events are accepted from anywhere; reading is free on loopback and needs a key otherwise."""
    options = {"CLICKHOUSE_URL": clickhouse.url, "CLICKPORT_API_KEYS": "ck_one"}
    for host, expected in (("127.0.0.1", 200), ("0.0.0.0", 401)):
        with start("--host", host, **options) as server:
            url = server.url.replace("0.0.0.0", "127.0.0.1")
            assert server.http.get(f"{url}{SETTINGS}").status_code == expected
            assert server.http.get(f"{url}{SETTINGS}", headers={"x-api-key": "ck_one"}).status_code == 200
            assert server.http.post(f"{url}/api/event", json={"t": "p", "d": "a.example"}).status_code == 202


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("quota", "1000", {"": 1000}),
        ("quota", "1000, www.Example.com = 5,", {"": 1000, "example.com": 5}),
        ("api_keys", " ck_a, ck_b ,", ("ck_a", "ck_b")),
    ],
)
def test_variables_are_read(name: str, text: str, expected: object) -> None:
    """Lists are separated by commas."""
    env = {"CLICKHOUSE_URL": "http://x", "CLICKPORT_STATE": "s", f"CLICKPORT_{name.upper()}": text}
    assert getattr(Config.from_env(env), name) == expected


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("CLICKPORT_QUOTA", "many", "NUMBER or DOMAIN=NUMBER"),
        ("CLICKPORT_QUOTA", "example.com=-1", "NUMBER or DOMAIN=NUMBER"),
        ("CLICKPORT_API_KEYS", "secret", "each key must begin with ck_"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str, reason: str) -> None:
    """The error names the variable and the reason."""
    env = {"CLICKHOUSE_URL": "http://x", "CLICKPORT_STATE": "s", variable: text}
    with pytest.raises(ValueError, match=f"{variable}.*{reason}"):
        Config.from_env(env)


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    """The error about an invalid key shows no key."""
    env = {
        "CLICKHOUSE_URL": "http://x",
        "CLICKPORT_STATE": str(tmp_path),
        "CLICKPORT_API_KEYS": "ck_a,s3cret",
    }
    with pytest.raises(ValueError, match="CLICKPORT_API_KEYS cannot be used") as told:
        Config.from_env(env)
    assert "s3cret" not in str(told.value)
