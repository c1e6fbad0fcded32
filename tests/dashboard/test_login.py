"""Pages ask for a key if the server is reachable from other machines."""

from pathlib import Path

from clickhouse_connect.driver.client import Client

from reference_server.config import Config
from reference_server.storage.embedded import LocalClickHouse
from reference_server.web.app import create_app


def test_the_login_leads_back_and_out(clickhouse: LocalClickHouse, client: Client, tmp_path: Path) -> None:
    """Pages redirect to the login, files do not; a wrong key is an error, the right one leads back."""
    config = Config(
        clickhouse_url=clickhouse.url, state_dir=tmp_path, bound="0.0.0.0", api_keys=("ck_right",)
    )
    assert client  # The tables exist.
    browser = create_app(config).test_client()
    answer = browser.get("/example.com/live")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fexample.com%2Flive")
    with browser.get("/assets/base.css") as file:
        assert file.status_code == 200
    form = browser.get(answer.headers["Location"])
    assert 'name="next" value="/example.com/live"' in form.text
    assert "default-src 'none'; script-src 'self'" in form.headers["Content-Security-Policy"]
    wrong = browser.post("/login", data={"password": "ck_wrong", "next": '"><b>'})
    assert (wrong.status_code, "This is not one of the server&#39;s keys." in wrong.text) == (401, True)
    assert "<b>" not in wrong.text
    right = browser.post("/login", data={"password": "ck_right", "next": "/example.com/live"})
    assert (right.status_code, right.headers["Location"]) == (303, "/example.com/live")
    assert "Log out" in browser.get("/example.com/live").text
    browser.post("/logout")
    assert browser.get("/example.com/live").status_code == 303
