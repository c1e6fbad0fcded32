"""`clickport watch`: events are shown as they arrive, and the exit code says what happened."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask, Response, request

from conformance.site.plan import read_plan
from tests.serving import serving as serve_app
from tests.site.conftest import body
from tests.site.test_shop import ROOT, served

_SENDS = """<script>fetch('/api/event', { method: 'POST', keepalive: true,
  body: JSON.stringify({ t: 'e', n: 'Seen' }) })</script>"""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Serve the good shop; return its origin."""
    with served() as origin:
        yield origin


class Watching:
    """A running watch: its address, and a way to send events to it."""

    def __init__(self, folder: Path, shop: str, *words: str) -> None:
        command = [sys.executable, "-m", "conformance", "watch", f"{shop}/signup", *words]
        pipe = subprocess.PIPE
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        # These tests may run without Ctrl-C, which children inherit.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self._process = subprocess.Popen(
                command, cwd=folder, stdout=pipe, stderr=pipe, text=True, env=env
            )
        finally:
            signal.signal(signal.SIGINT, before)
        assert self._process.stderr
        lines = [self._process.stderr.readline() for _ in range(2)]
        self.address, self.page = (line.split()[-1] for line in lines)

    def send(self, payload: Any) -> None:
        """Send an event as a page does."""
        origin = self.address.removesuffix("/signup")
        assert httpx.post(f"{origin}/api/event", content=json.dumps(payload)).status_code == 202

    def lines(self, number: int) -> list[str]:
        """Return the next lines, without the time of day."""
        assert self._process.stdout
        return [self._process.stdout.readline().rstrip("\n")[10:] for _ in range(number)]

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and both outputs."""
        out, err = self._process.communicate(timeout=30)
        return self._process.returncode, out + err


def test_events_are_shown_with_limits_and_plan(tmp_path: Path, shop: str) -> None:
    """Each event is a line, with what the limits did and what the plan says; a difference ends with 1."""
    plan = ROOT / "fixtures" / "shop" / "tracking-plan.toml"
    watch = Watching(tmp_path, shop, "--plan", str(plan), "--record", "seen.toml")
    assert "<h1>Sign up</h1>" in httpx.get(watch.address).text
    watch.send(body("Signup", {"plan": "pro", "seats": "3"}))
    assert watch.lines(1) == ['Signup {"plan": "pro", "seats": "3"}']
    watch.send({"t": "p"})
    watch.send(body("Video Play", {"title": "x" * 2000}))
    first, second = watch.lines(2)
    assert first.startswith("Video Play {")
    assert second == "limit: title has 2,000 characters: it was probably cut (LINT-5)"
    watch.send(body("Signpu", {}))
    assert watch.lines(2)[1].startswith("PLAN-1: 'Signpu' is not in ")
    shown = httpx.get(f"{watch.page}.json").json()["events"]
    assert [each["name"] for each in shown] == ["Signup", "Video Play", "Signpu"]
    watch.interrupt()
    code, text = watch.end()
    assert (code, "wrote 3 events to seen.toml" in text) == (1, True), text
    assert list(read_plan(tmp_path / "seen.toml").events) == ["Signpu", "Signup", "Video Play"]


def test_until_ends_with_the_event(tmp_path: Path, shop: str) -> None:
    """The watch ends with 0 as soon as the event has arrived."""
    watch = Watching(tmp_path, shop, "--until", "Purchase", "--timeout", "60s")
    watch.send(body("Signup", {}))
    watch.send(body("Purchase", {}, ra=49.99, rc="EUR"))
    code, text = watch.end()
    assert (code, "Purchase 49.99 EUR" in text) == (0, True), text


def test_until_fails_in_time(tmp_path: Path, shop: str) -> None:
    """If the event does not arrive, the watch ends with 1 and says so."""
    watch = Watching(tmp_path, shop, "--until", "Purchase", "--timeout", "1s")
    code, text = watch.end()
    assert (code, "'Purchase' did not arrive; 0 other events did" in text) == (1, True), text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shop",), "'shop' is not the URL of a site: write http://… or https://…"),
        (("http://127.0.0.1:9", "--timeout", "soon"), "'soon' is not a duration"),
        (("http://127.0.0.1:9", "--plan", "none.toml"), "there is no plan none.toml"),
        (("http://[::1", "--timeout", "1s"), "'http://[::1' is not the URL of a site"),
        (("http://127.0.0.1:99999", "--timeout", "1s"), "'http://127.0.0.1:99999' is not the URL of a site"),
        (
            ("http://127.0.0.1:9", "--record", "none/x.toml"),
            "could not write none/x.toml: there is no folder none",
        ),
    ],
)
def test_slips_are_usage(clickport: Any, words: tuple[str, ...], message: str) -> None:
    """A wrong URL, time or plan ends with 2 and a message."""
    done = clickport("watch", *words)
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_browser_opens_the_site(tmp_path: Path) -> None:
    """With --browser the site is opened: an event that a page sends by itself arrives."""
    by_itself = "addEventListener('load', () => clickport.track('Seen')); document.getElementById"
    with served(("signup.html", "document.getElementById", by_itself)) as shop:
        watch = Watching(tmp_path, shop, "--browser", "chromium", "--until", "Seen", "--timeout", "30s")
        code, text = watch.end()
    assert code == 0, text


@pytest.fixture(scope="module")
def odd() -> Iterator[tuple[str, str]]:
    """Serve pages that send nothing, each for a reason, and another site; return both origins."""
    app, other = Flask("odd"), Flask("other")

    @other.get("/home")
    def home() -> str:
        return _SENDS

    @app.get("/away")
    def away() -> Response:
        return Response(status=302, headers={"Location": f"{elsewhere}/home"})

    @app.get("/none")
    def none() -> str:
        return "<title>no tracker</title>"

    @app.get("/silent")
    def silent() -> str:
        return "<script>window.clickport = { track() {} }</script>"

    @app.get("/secret")
    def secret() -> Response:
        if request.authorization:
            return Response(_SENDS, mimetype="text/html")
        return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="staging"'})

    with serve_app(other) as address, serve_app(app) as origin:
        elsewhere = address.replace("127.0.0.1", "localhost")
        yield origin, elsewhere


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/away", "the page went on to {other}: name that origin with --endpoint {other}"),
        ("/none", "the page has no clickport.track"),
        ("/silent", "the browser is automated"),
        ("/gone", "the site answered 404 to /gone"),
        ("/secret", "the site answered 401 to /secret"),
    ],
)
def test_reason_of_silence(clickport: Any, odd: tuple[str, str], path: str, message: str) -> None:
    """If nothing arrives from a page that was opened, the command names the reason that it shows."""
    done = clickport("watch", odd[0] + path, "--browser", "chromium", "--until", "Seen", "--timeout", "1s")
    assert (done.exit_code, message.format(other=odd[1]) in done.output) == (1, True), done.output


@pytest.mark.parametrize("path", ["/secret", "/away"])
def test_password_and_further_origin(clickport: Any, folder: Path, odd: tuple[str, str], path: str) -> None:
    """A site behind a password, and one of two origins, are watched; the password is not shown."""
    (folder / "tracking-plan.toml").write_text("[events.Seen]", encoding="utf-8")
    url = odd[0].replace("http://", "HTTP://me:s3cr3t@") + path
    words = ("--endpoint", odd[1], "--browser", "chromium", "--until", "Seen", "--timeout", "30s")
    done = clickport("watch", url, *words)
    assert (done.exit_code, "s3cr3t" in done.output) == (0, False), done.output


@pytest.mark.parametrize("words", [(), ("--browser", "chromium")])
def test_site_that_cannot_be_reached(clickport: Any, words: tuple[str, ...]) -> None:
    """A site that is down is no lost event: the command ends with 3 and the reason."""
    seconds = "60s" if words else "1s"
    done = clickport("watch", "http://127.0.0.1:9/", "--until", "Seen", "--timeout", seconds, *words)
    expected = "could not run: http://127.0.0.1:9/ cannot be reached: ConnectError"
    assert (done.exit_code, expected in done.output) == (3, True), done.output


def test_no_plan_without_events(clickport: Any, folder: Path, shop: str) -> None:
    """If nothing was recorded, the command says that no plan was written."""
    done = clickport("watch", shop, "--record", "seen.toml", "--timeout", "1s")
    assert "no event arrived: seen.toml was not written" in done.output
    assert not (folder / "seen.toml").exists()
