"""Pages ask for a key if the server is reachable from other machines."""

from pathlib import Path

from reference_server.config import Config
from reference_server.web.app import create_app


def test_the_login_leads_back_and_out(tmp_path: Path) -> None:
    """Pages redirect to the login, files do not; a wrong key is an error, the right one leads back."""
    config = Config(
        clickhouse_url="http://127.0.0.1:9", state_dir=tmp_path, bound="0.0.0.0", api_keys=("ck_right",)
    )
    client = create_app(config).test_client()
    answer = client.get("/example.com/live")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fexample.com%2Flive")
    with client.get("/assets/base.css") as file:
        assert file.status_code == 200
    form = client.get(answer.headers["Location"])
    assert 'name="next" value="/example.com/live"' in form.text
    assert "default-src 'none'; script-src 'self'" in form.headers["Content-Security-Policy"]
    wrong = client.post("/login", data={"password": "ck_wrong", "next": '"><b>'})
    assert (wrong.status_code, "This is not one of the server&#39;s keys." in wrong.text) == (401, True)
    assert "<b>" not in wrong.text
    right = client.post("/login", data={"password": "ck_right", "next": "/example.com/live"})
    assert (right.status_code, right.headers["Location"]) == (303, "/example.com/live")
    assert "Log out" in client.get("/example.com/live").text
    client.post("/logout")
    assert client.get("/example.com/live").status_code == 303
