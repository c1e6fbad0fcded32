"""The recorder in front of a site: events stay, the rest is forwarded, and its origins are replaced."""

import gzip
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import httpx
import pytest
from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as Answer

from conformance.recorder import Recorder
from tests.serving import serving

HOSTED = "https://stats.example"


def app() -> Flask:
    """Return a site that tells what it was sent, and names its own origin."""
    site = Flask(__name__)

    @site.get("/")
    def page() -> Response:
        own = request.host_url.rstrip("/")
        text = f'<a href="{own}/next">{HOSTED}/api/event {own}0 {own.replace("/", chr(92) + "/")}</a>'
        answer = Response(text, content_type="text/html")
        policy = f"default-src 'self'; connect-src {HOSTED} *.example:443; upgrade-insecure-requests"
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["Strict-Transport-Security"] = "max-age=1"
        answer.headers.add("Set-Cookie", "a=b; Domain=127.0.0.1; Path=/; Secure; SameSite=None; HttpOnly")
        answer.headers.add("Set-Cookie", "c=d")
        return answer

    @site.post("/form")
    def form() -> dict[str, str]:
        return {**dict(request.form), **{k: request.headers.get(k, "") for k in ("Host", "Origin", "Cookie")}}

    @site.get("/old")
    def old() -> Answer:
        return redirect(f"{request.host_url}new")

    @site.get("/packed")
    def packed() -> Response:
        body = gzip.compress(f"<p>{request.host_url}".encode())
        return Response(body, content_type="text/html", headers={"Content-Encoding": "gzip"})

    @site.get("/live.js")
    def live() -> Response:
        own = request.host_url.rstrip("/").replace("http", "ws")
        answer = Response(f"new WebSocket('{own}/live'); '{own}0'", content_type="text/javascript")
        answer.headers["Content-Security-Policy"] = f"connect-src {own}; img-src {request.host}"
        return answer

    @site.get("/file")
    def file() -> Response:
        return Response(bytes(range(256)) * 4000, content_type="application/octet-stream")

    return site


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Run a recorder."""
    with Recorder() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve the site; return its origin."""
    with serving(app()) as origin:
        yield origin


@pytest.fixture
def fronts(recorder: Recorder, site: str) -> Iterator[list[str]]:
    """Return the origins in front of the site and of its hosted endpoint."""
    origins = recorder.front(site, HOSTED)
    yield origins
    recorder.end_front(*origins)


def test_events_stay(recorder: Recorder, fronts: list[str], site: str) -> None:
    """A POST to /api/event is recorded and answered, and the site does not get it."""
    answer = httpx.post(f"{fronts[1]}/api/event", content=b'{"n": "x"}', headers={"Origin": fronts[0]})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (202, fronts[0])
    assert httpx.post(f"{site}/api/event").status_code == 404
    [event] = recorder.seen(origins=fronts, events=True)
    assert (event.body, event.origin) == (b'{"n": "x"}', fronts[1])


def test_origins_are_replaced(fronts: list[str], site: str) -> None:
    """In text, the origins of site and endpoint lead here; one that only begins alike is kept."""
    text = httpx.get(fronts[0]).text
    escaped = fronts[0].replace("/", "\\/")
    assert text == f'<a href="{fronts[0]}/next">{fronts[1]}/api/event {site}0 {escaped}</a>'


def test_websockets_lead_here(fronts: list[str], site: str) -> None:
    """The address of a WebSocket is replaced, and allowed where the policy allowed it by its scheme."""
    answer = httpx.get(f"{fronts[0]}/live.js")
    there, here = site.replace("http", "ws"), fronts[0].replace("http", "ws")
    assert answer.text == f"new WebSocket('{here}/live'); '{there}0'"
    policy = answer.headers["Content-Security-Policy"]
    assert policy == f"connect-src {there} {here}; img-src {there[5:]} {fronts[0]}"


def test_policy_allows_what_it_allowed(fronts: list[str]) -> None:
    """The endpoint's stand-in is allowed where the endpoint was; encryption is not forced."""
    answer = httpx.get(fronts[0])
    policy = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert policy == ["default-src 'self'", f"connect-src {HOSTED} *.example:443 {fronts[1]}"]
    assert "Strict-Transport-Security" not in answer.headers


def test_cookies_are_kept_here(fronts: list[str]) -> None:
    """Each cookie arrives without the attributes that bind it to the site's domain or to https."""
    cookies = httpx.get(fronts[0]).headers.get_list("Set-Cookie")
    assert cookies == ["a=b; Path=/; HttpOnly", "c=d"]


def test_requests_look_like_the_site_s_own(fronts: list[str], site: str) -> None:
    """The site gets the form, its own host, its own origin, and the cookie."""
    got = httpx.post(
        f"{fronts[0]}/form", data={"q": "é"}, headers={"Origin": fronts[0], "Cookie": "a=b"}
    ).json()
    # JSON is text: the site's origin is replaced on the way back.
    assert got == {"q": "é", "Host": site.removeprefix("http://"), "Origin": fronts[0], "Cookie": "a=b"}


def test_redirects_stay_here(fronts: list[str]) -> None:
    """A redirect of the site leads here."""
    answer = httpx.get(f"{fronts[0]}/old")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{fronts[0]}/new")


def test_downloads_are_not_changed(fronts: list[str]) -> None:
    """Bytes of another type arrive as they are."""
    assert httpx.get(f"{fronts[0]}/file").content == bytes(range(256)) * 4000
    assert httpx.head(f"{fronts[0]}/file").content == b""


def test_packed_text_is_unpacked(fronts: list[str]) -> None:
    """Text that comes compressed unasked is readable, and its origins are replaced."""
    assert httpx.get(f"{fronts[0]}/packed").text == f"<p>{fronts[0]}/"


def test_unreachable_site(recorder: Recorder) -> None:
    """A site that is not there is a 502 that names it."""
    origins = recorder.front("http://127.0.0.1:9")
    answer = httpx.get(origins[0])
    assert (answer.status_code, "http://127.0.0.1:9/ cannot be reached" in answer.text) == (502, True)
    recorder.end_front(*origins)


def test_fronts_do_not_mix(recorder: Recorder, fronts: list[str], site: str) -> None:
    """Events of two tests are apart, and ended fronts are gone."""
    other = recorder.front(site)
    httpx.post(f"{other[0]}/api/event", content=b"{}")
    assert recorder.seen(origins=fronts, events=True) == []
    recorder.end_front(*other)
    assert recorder.seen(origins=other) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(other[0])


@pytest.mark.skipif(not which("openssl"), reason="openssl is not installed")
def test_https_site(recorder: Recorder, tmp_path: Path) -> None:
    """A site on this machine with a certificate of its own is reached over https."""
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout key.pem -out cert.pem"
    subprocess.run(words.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serving(app(), context) as secure:
        origins = recorder.front(secure)
        assert f'<a href="{origins[0]}/next">' in httpx.get(origins[0]).text
        recorder.end_front(*origins)
