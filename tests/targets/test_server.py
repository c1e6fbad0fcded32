"""Servers under test: located or started, and stopped completely."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets import Server
from conformance.targets.server import server_at, server_by_app, server_by_command

Script = Callable[..., str]
Runs = Callable[[int], bool]

# Prints its process id and that of a child, which outlives it unless the whole group is stopped.
FAMILY = """
import os, socket, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(120)
"""
STUBBORN = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
"""
APP = """
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("202 Accepted", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + b" " + body]

def create():
    return app
"""


def test_command_is_started_on_a_free_port(files: str) -> None:
    """{port} is replaced; the server responds inside the context, and nothing listens after it."""
    with server_by_command(files) as server:
        assert (server.url, server.name) == (f"http://127.0.0.1:{server.port}", files)
        assert httpx.post(server.event_url, content=b"{}").status_code == 202
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_two_commands_get_two_ports(files: str) -> None:
    """Two servers have different ports."""
    with server_by_command(files) as one, server_by_command(files) as other:
        assert one.port != other.port


def test_command_is_stopped_with_its_children(script: Script, runs: Runs) -> None:
    """A server's own worker processes are stopped as well."""
    with server_by_command(script(FAMILY, "{port}")):
        pids = [int(word) for word in Path("pids").read_text(encoding="utf-8").split()]
    assert [pid for pid in pids if runs(pid)] == []


def test_command_is_stopped_when_the_run_fails(script: Script, runs: Runs) -> None:
    """An exception inside the context stops the server and is passed on."""
    with pytest.raises(ZeroDivisionError), server_by_command(script(FAMILY, "{port}")):
        _ = 1 / 0
    pids = [int(word) for word in Path("pids").read_text(encoding="utf-8").split()]
    assert [pid for pid in pids if runs(pid)] == []


def test_output_is_shown_when_it_dies(script: Script) -> None:
    """The message about a server that ends at once has the command, the exit code and both output streams."""
    command = script("import sys\nprint('no config')\nsys.stdout.flush()\nsys.exit('port taken')", "{port}")
    with pytest.raises(TargetUnavailable) as raised, server_by_command(command):
        pass
    text = str(raised.value)
    assert "script.py" in text
    assert "ended with exit code 1" in text
    assert text.endswith("no config\nport taken")


def test_only_the_end_of_long_output_is_shown(script: Script) -> None:
    """The message shows only the last lines of a long output."""
    command = script("for i in range(1000): print('line', i)\nraise SystemExit(9)")
    with pytest.raises(TargetUnavailable, match="line 999") as raised, server_by_command(command):
        pass
    assert str(raised.value).count("\n") < 20


def test_command_not_found() -> None:
    """A program that does not exist is named."""
    with pytest.raises(TargetUnavailable, match=r"could not start no-such-server --port 1.*No such file"):  # noqa: SIM117
        with server_by_command("no-such-server --port 1"):
            pass


def test_command_that_never_listens(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not listen on its port in time is given up; the message names the port."""
    monkeypatch.setattr("conformance.targets.process.READY_SECONDS", 1.0)
    command = script("import time\nprint('listening on 80', flush=True)\ntime.sleep(60)")
    with pytest.raises(TargetUnavailable, match=r"did not listen on port \d+ within 1 s.\nlistening on 80"):  # noqa: SIM117
        with server_by_command(command):
            pass


def test_stubborn_command_is_killed(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores SIGTERM is killed."""
    monkeypatch.setattr("conformance.targets.process._STOP_SECONDS", 0.5)
    command = script(STUBBORN + "time.sleep(120)\n", "{port}")
    with server_by_command(command) as server:
        url = server.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize("path", ["mine:app", "mine:create()"])
def test_application_is_served(script: Script, path: str) -> None:
    """A WSGI application, or the result of its factory, is served by HTTP."""
    script(APP, name="mine.py")
    with server_by_app(path) as server:
        response = httpx.post(server.event_url, content=b"body")
    assert (response.status_code, response.text) == (202, "/api/event body")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mine", "'mine' is not an import path of an application: write package.module:app"),
        ("nowhere:app", "No module named 'nowhere'"),
        ("mine:other", "has no attribute 'other'"),
    ],
)
def test_application_that_is_not_there(script: Script, path: str, message: str) -> None:
    """The message about a wrong import path names what is missing."""
    script(APP, name="mine.py")
    with pytest.raises(TargetUnavailable) as raised, server_by_app(path):
        pass
    assert message in str(raised.value)


def test_running_server_is_left_running(files: str) -> None:
    """A server given by its URL is not stopped."""
    with server_by_command(files) as started:
        with server_at(started.url) as server:
            assert (server.url, server.port) == (started.url, None)
        assert httpx.post(started.event_url, content=b"{}").status_code == 202


def test_unreachable_server_is_named() -> None:
    """If the port refuses connections, the error names the URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        _refuses(f"http://127.0.0.1:{probe.getsockname()[1]}", "nothing answers at")


def test_server_that_accepts_no_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog drops connections silently: the attempt ends after 3 s, not after minutes."""
    limits: list[float] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        limits.append(timeout)
        raise TimeoutError(f"no connection to {address}")

    monkeypatch.setattr(socket, "create_connection", connect)
    _refuses("http://127.0.0.1:8000", "nothing answers at")
    assert limits == [3.0]


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://127.0.0.1", "http://", "/api/event", "http://127.0.0.1:99999", "http://a:b"],
)
def test_invalid_url_is_named(url: str) -> None:
    """An invalid URL is refused by a message with the form of a valid one."""
    _refuses(url, "write http://host:port")


def _refuses(url: str, message: str) -> None:
    with pytest.raises(TargetUnavailable) as raised, server_at(url):
        pass
    assert message in str(raised.value)
    assert url in str(raised.value)


@pytest.mark.parametrize(
    ("url", "events"),
    [
        ("http://a:1", "http://a:1/api/event"),
        ("http://a:1/", "http://a:1/api/event"),
        ("http://a/base/", "http://a/base/api/event"),
        ("http://a/api/event", "http://a/api/event"),
    ],
)
def test_event_url(url: str, events: str) -> None:
    """A server is given by its base URL or by its endpoint."""
    assert Server(url=url, name=url).event_url == events
