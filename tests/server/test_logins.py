"""Keys and logins: a login that has ended stays so, and keys cannot be guessed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from flask import Flask
from flask.testing import FlaskClient

from reference_server.config import Config
from reference_server.ingest.usage_limits import UsageLimits
from reference_server.storage.client import Clients
from reference_server.web.app import create_app
from reference_server.web.logins import Logins
from tests.server.polling import until
from tests.server.test_access import SETTINGS, app, exhaust, log_in, status

NOW = datetime(2026, 11, 26, 12, 30, 18, tzinfo=UTC)


NOWHERE = "http://127.0.0.1:9/default"


class Switched(Clients):
    """Clients of a ClickHouse that can be switched off."""

    off = False

    def get(self) -> Client:
        """Return a client. Raises OperationalError if ClickHouse is off."""
        if self.off:
            raise OperationalError("connection refused")
        return super().get()


def cookie_of(client: FlaskClient) -> str:
    """Return the login cookie of a client."""
    cookie = client.get_cookie("clickport")
    assert cookie
    return cookie.value


def reads(server: Flask, cookie: str) -> int:
    """Return the status of reading with a cookie in a browser of its own."""
    client = server.test_client()
    client.set_cookie("clickport", cookie)
    return client.get(SETTINGS).status_code


def test_a_logout_ends_the_login_for_good(database: str, tmp_path: Path) -> None:
    """A copy of the cookie is refused in every process, after a restart, and repeatedly."""
    first, second = app(database, tmp_path), app(database, tmp_path)
    client = first.test_client()
    client.post("/login", data={"password": "ck_one"})
    cookie = cookie_of(client)
    assert [reads(server, cookie) for server in (first, second)] == [200, 200]
    assert client.post("/logout").status_code == 303
    assert [reads(server, cookie) for server in (first, second, app(database, tmp_path), first)] == [401] * 4


def test_a_logout_in_a_second_tab_is_no_error(database: str, tmp_path: Path) -> None:
    """A logout with a copy of the cookie, without one, or with an invalid one succeeds."""
    server = app(database, tmp_path)
    client, copy = server.test_client(), server.test_client()
    client.post("/login", data={"password": "ck_one"})
    copy.set_cookie("clickport", cookie_of(client))
    statuses = [each.post("/logout").status_code for each in (client, client, copy, server.test_client())]
    strange = server.test_client()
    strange.set_cookie("clickport", "made.up")
    assert [*statuses, strange.post("/logout").status_code] == [303] * 5


def test_logins_elsewhere_stay(database: str, tmp_path: Path) -> None:
    """Each browser has its own login, also for the same key; a new login ends the browser's previous one."""
    server = app(database, tmp_path)
    here, there = server.test_client(), server.test_client()
    for client in (here, there):
        client.post("/login", data={"password": "ck_one"})
    before = cookie_of(there)
    there.post("/login", data={"password": "ck_one"})
    here.post("/logout")
    assert [client.get(SETTINGS).status_code for client in (here, there)] == [401, 200]
    assert reads(server, before) == 401


def test_a_cookie_is_not_prolonged(database: str, tmp_path: Path) -> None:
    """A login ends 30 days after it began; no response renews the cookie."""
    server = app(database, tmp_path)
    client = server.test_client()
    client.post("/login", data={"password": "ck_one"})
    assert "Set-Cookie" not in client.get(SETTINGS).headers
    copy = server.test_client()
    copy.set_cookie("clickport", cookie_of(client))
    client.post("/logout")
    assert "Set-Cookie" not in copy.get(SETTINGS).headers


def test_logins_expire_and_are_forgotten(database: str, tmp_path: Path) -> None:
    """This includes logins without a logout. An unknown id is no login, and an expired one is not kept."""
    clients, day = Clients(database), timedelta(days=1)
    logins = Logins(clients, tmp_path)
    login = logins.begin(NOW, day)
    assert logins.has(login, NOW + timedelta(hours=23))
    assert not logins.has(login, NOW + day)
    assert [logins.has(strange, NOW) for strange in ("", "9", "-1.a", "9" * 11, "٣.a")] == [False] * 5
    logins.end(login, NOW + day)
    assert clients.get().query("SELECT count() FROM ended_logins").result_rows == [(0,)]


def test_a_login_is_valid_on_every_node(database: str, tmp_path: Path) -> None:
    """Nodes share the database and the secret; a logout reaches the other node by itself."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("s" * 32)
    here = Config(
        clickhouse_url=database,
        state_dir=tmp_path / "a",
        bound="0.0.0.0",
        api_keys=("ck_one",),
        secret_file=secret,
    )
    first, second = create_app(here), create_app(replace(here, state_dir=tmp_path / "b"))
    client = first.test_client()
    client.post("/login", data={"password": "ck_one"})
    cookie = cookie_of(client)
    assert [reads(server, cookie) for server in (first, second)] == [200, 200]
    assert client.post("/logout").status_code == 303
    assert reads(first, cookie) == 401
    until(lambda: reads(second, cookie) == 401, "the other node does not learn of the logout")


def test_without_clickhouse_logins_are_as_last_known(database: str, tmp_path: Path) -> None:
    """Logins cannot be ended meanwhile; a process that does not know the ended ones trusts none."""
    clients, now = Switched(database), datetime.now(UTC)
    logins = Logins(clients, tmp_path)
    ended, login = (logins.begin(now, timedelta(days=1)) for _ in range(2))
    logins.end(ended, now)
    assert (logins.has(ended, now), logins.has(login, now)) == (False, True)
    clients.off = True
    (tmp_path / "logins.changed").unlink()  # Asks again at once.
    assert (logins.has(ended, now), logins.has(login, now)) == (False, True)
    with pytest.raises(OperationalError):
        logins.end(login, now)
    with pytest.raises(OperationalError):
        Logins(clients, tmp_path).has(login, now)


def test_a_logout_without_clickhouse_is_reported(database: str, tmp_path: Path) -> None:
    """The answer is 503 with the reason, and the login continues; logging in needs no ClickHouse."""
    server, away = app(database, tmp_path), app(NOWHERE, tmp_path)
    client = server.test_client()
    client.post("/login", data={"password": "ck_one"})
    cookie = cookie_of(client)
    assert away.test_client().post("/login", data={"password": "ck_one"}).status_code == 303
    copy = away.test_client()
    copy.set_cookie("clickport", cookie)
    for answer in (copy.post("/logout"), copy.get("/example.com"), copy.get(SETTINGS)):
        assert (answer.status_code, "ClickHouse, which remembers ended logins" in answer.text) == (503, True)
    assert (cookie_of(copy), reads(server, cookie)) == (cookie, 200)


@pytest.mark.parametrize("header", ["x-api-key", "Authorization"])
def test_wrong_keys_are_limited_like_logins(database: str, tmp_path: Path, header: str) -> None:
    """An address has ten attempts per minute, including logins; then 429 says how long to wait."""
    server = app(database, tmp_path)

    def ask(key: str, peer: str = "203.0.113.5") -> Any:
        value = f"Bearer {key}" if header == "Authorization" else key
        environ = {"REMOTE_ADDR": peer}
        return server.test_client().get(SETTINGS, headers={header: value}, environ_overrides=environ)

    statuses = [ask(f"ck_{number}").status_code for number in range(21)]  # A new minute may begin once.
    tries = statuses.index(429)
    assert (tries >= 10, set(statuses[:tries])) == (True, {401})
    late = next(a for a in (ask("ck_no") for _ in range(12)) if a.status_code == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert "too many wrong keys" in late.json["error"]
    assert 429 in [log_in(server, "ck_one").status_code for _ in range(11)]
    assert ask("ck_one", peer="203.0.113.6").status_code == 200


def test_tries_of_the_login_count_for_keys(database: str, tmp_path: Path) -> None:
    """After too many attempts even the right key reveals nothing; other addresses are unaffected."""
    server = app(database, tmp_path)
    exhaust(server)
    answers = [status(server.test_client(), x_api_key="ck_no") for _ in range(12)]
    assert 429 in answers
    right = [status(server.test_client(), x_api_key=key) for key in ("ck_one", "ck_no")]
    assert right in ([429, 429], [200, 401])  # The latter if a new minute begins here.
    assert status(server.test_client(), peer="203.0.113.6", x_api_key="ck_one") == 200


def test_right_keys_are_not_limited(database: str, tmp_path: Path) -> None:
    """Requests with a right key are never counted as attempts."""
    client = app(database, tmp_path).test_client()
    assert {status(client, x_api_key="ck_one") for _ in range(50)} == {200}


def test_requests_without_a_key_are_no_tries(database: str, tmp_path: Path) -> None:
    """Requests without a key, or with a bearer token that cannot be one, are not counted as attempts."""
    client = app(database, tmp_path).test_client()
    assert {status(client) for _ in range(15)} == {401}
    assert {status(client, Authorization="Bearer eyJhbGciOi") for _ in range(15)} == {401}
    assert status(client, Authorization="Bearer eyJhbGciOi", x_api_key="ck_one") == 200


@pytest.mark.parametrize("given", ["Bearer ck_one", "bearer  ck_one", "BEARER ck_zwei_ü"])
def test_a_key_as_a_bearer_token(database: str, tmp_path: Path, given: str) -> None:
    """Prometheus sends keys so (RFC 6750); the scheme is case-insensitive (RFC 9110, 11.1)."""
    assert status(app(database, tmp_path).test_client(), Authorization=given) == 200


def test_addresses_of_a_subscriber_share_their_tries(tmp_path: Path) -> None:
    """The addresses of a /64 of IPv6 count as one, in any spelling."""
    usage_limits = UsageLimits(tmp_path)
    waits = [usage_limits.login_wait_seconds(f"2001:db8:0:1::{number:x}", NOW) for number in range(12)]
    assert waits == [0] * 10 + [42, 42]
    assert usage_limits.must_wait("2001:db8:0:1:ffff::1", NOW) == 42
    assert usage_limits.must_wait("2001:db8:0:2::1", NOW) == 0


def test_tries_are_counted_without_a_disk(tmp_path: Path) -> None:
    """If the file cannot be written, each process counts on its own, minute by minute."""
    usage_limits = UsageLimits(tmp_path, rate=3)
    usage_limits._db.ask("PRAGMA query_only = 1")
    assert [usage_limits.login_wait_seconds("192.0.2.1", NOW) for _ in range(11)] == [0] * 10 + [42]
    assert usage_limits.must_wait("192.0.2.1", NOW) == 42
    assert [usage_limits.within_rate_limit("192.0.2.1", NOW) for _ in range(4)] == [True, True, True, False]
    assert usage_limits.login_wait_seconds("192.0.2.1", NOW + timedelta(minutes=1)) == 0
