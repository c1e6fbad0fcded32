"""HAR files that the developer tools of the three browsers export: sound events, and each wire fault."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result
from werkzeug.wrappers import Request, Response

from conformance.browsers import BrowserMissing, find
from conformance.site.sources import read_events
from conformance.targets.process import free_port
from tests.serving import serving
from tests.site.own_exports import PageLeft, Tools, chromium_tools, firefox_tools, wait_until, webkit_tools
from tests.site.test_har_of_engines import FAULTS, SOUND

ROOT = Path(__file__).parents[2]
TRACKER = (ROOT / "tracker" / "tracker.js").read_text(encoding="utf-8")
PAGE = "<!doctype html><title>Shop</title><script src=/tracker.js data-domain=shop.example></script>"
EVENT = "JSON.stringify({{ t: 'e', n: '{}', mk: [], mv: [] }})"
BEACON = EVENT.format("Beacon")
SEND = "await fetch('{}/api/event', {{ method: 'POST', keepalive: true, {} body: " + EVENT + " }})"
SAFELISTED = "headers: { 'Content-Type': 'text/plain', Accept: 'a/b', 'Content-Language': 'de' },"
OWN = {
    "Authorization": "headers: { Authorization: 'Bearer s3cr3t' },",
    "Content-Type: application/json": "headers: { 'Content-Type': 'application/json' },",
    "Api-Key": "headers: { 'Api-Key': 's3cr3t' },",
}

LOST = {
    "chromium": "faulty.har: 1 event without an answer",
    "firefox": "faulty.har: 1 request to /api/event failed",
    "webkit": "faulty.har: 9 violations",  # A request that failed is not in the file.
}
TOOLS = {"chromium": chromium_tools, "firefox": firefox_tools, "webkit": webkit_tools}


def answer(request: Request) -> Response:
    """Serve pages, the tracker, and an endpoint for every origin; ``/moved`` redirects to the endpoint."""
    if request.path == "/tracker.js":
        return Response(TRACKER, content_type="text/javascript")
    if request.method == "GET":
        return Response(PAGE, content_type="text/html")
    response = Response(status=307 if request.path.startswith("/moved/") else 202)
    if response.status_code == 307:
        response.location = "/api/event"
    if request.origin:
        response.access_control_allow_origin = request.origin
        response.access_control_allow_credentials = True
    if request.method == "OPTIONS":
        response.access_control_allow_headers = request.access_control_request_headers
    return response


@pytest.fixture(scope="module")
def origins() -> Iterator[tuple[str, str]]:
    """Serve at two origins; return that of the pages and another one."""
    app = Request.application(answer)
    with serving(app) as here, serving(app) as there:
        yield here, there


@pytest.fixture(params=list(TOOLS))
def engine(request: pytest.FixtureRequest) -> str:
    """Return the name of an engine whose tools can export a HAR here."""
    name: str = request.param
    return name


@pytest.fixture
def tools(engine: str, origins: tuple[str, str]) -> Iterator[Tools]:
    """Open a page of the site, with the engine's own developer tools."""
    try:
        installed = find(engine)
    except BrowserMissing as error:
        # As everywhere in the tests, an engine that is not installed here is left out by name.
        pytest.skip(str(error))
    with TOOLS[engine](installed) as opened:
        opened.goto(f"{origins[0]}/")
        yield opened


def send_sound_events(tools: Tools, here: str, there: str) -> None:
    """Send events that no rule forbids, also while the page is left."""
    tools.run(SOUND)
    for script in (
        SEND.format(here, "", "Umlaut é 😀"),
        SEND.format(there, SAFELISTED, "Safelisted"),
        SEND.format(here, "cache: 'no-store',", "Not Stored"),
        SEND.format(here, "priority: 'low', referrerPolicy: 'no-referrer',", "Low"),
        SEND.format(f"{here}/moved", "", "Moved"),
    ):
        tools.run(script)
    with suppress(PageLeft):
        tools.run("clickport.track('Leaving'); location.href = '/next'")
    wait_until(lambda: has_loaded(tools, "/next"))


def has_loaded(tools: Tools, path: str) -> bool:
    """Return True once the page at a path has loaded."""
    with suppress(PageLeft):
        return bool(tools.run("return location.pathname + document.readyState") == f"{path}complete")
    return False


def send_faulty_events(tools: Tools, here: str, there: str) -> None:
    """Send each wire fault, headers of a page's own to both origins, a cookie, and to no server at all."""
    for script in FAULTS.values():
        tools.run(f"await {script}")
    for name, options in OWN.items():
        tools.run(SEND.format(here, options, name))
        tools.run(SEND.format(there, options, f"{name}, with a preflight"))
    tools.run(f"{SEND.format(f'http://127.0.0.1:{free_port()}', '', 'Failed')}.catch(() => 0)")
    tools.run(f"document.cookie = 'sid=s3cr3t'; {SEND.format(here, '', 'Cookie')}")
    tools.run(f"document.cookie = 'sid=; max-age=0'; navigator.sendBeacon('/api/event', {BEACON})")


def save(tools: Tools, path: Path) -> None:
    """Export a HAR once the panel has listed all requests: a last event shows it."""
    event = EVENT.format(f"Last Of {path.name}")
    tools.run(f"await fetch('/api/event?{path.name}', {{ method: 'POST', keepalive: true, body: {event} }})")
    path.write_text(tools.export(path.name), encoding="utf-8")


def test_own_export(
    tools: Tools, engine: str, origins: tuple[str, str], folder: Path, clickport: Callable[..., Result]
) -> None:
    """A sound capture is clean and complete, and of a faulty one each fault is named, once, and no other."""
    send_sound_events(tools, *origins)
    save(tools, folder / "sound.har")
    done = clickport("audit", "sound.har")
    assert done.exit_code == 0, done.output
    assert not [line for line in done.output.splitlines() if line.startswith(("FAIL", "WARN  WIRE"))]
    names = Counter(event.name for event in read_events(folder / "sound.har"))
    once = ("Sound", "Umlaut é 😀", "Safelisted", "Not Stored", "Low", "Last Of sound.har")
    left = names.pop("Leaving", 0)
    # The redirect, and the request that followed it; WebKit lists the first request alone.
    assert names == {**dict.fromkeys(once, 1), "Moved": 1 if engine == "webkit" else 2}
    # Chromium and WebKit leave out a request that was in flight when the page was left.
    assert left == 1 or engine != "firefox"

    send_faulty_events(tools, *origins)
    save(tools, folder / "faulty.har")
    output = clickport("audit", "faulty.har").output
    lines = [line.split()[1] for line in output.splitlines() if line.startswith(("FAIL", "WARN"))]
    # Each header of its own is in two requests and a preflight, which WebKit leaves out; the cookie in one.
    preflights = 0 if engine == "webkit" else len(OWN)
    expected = Counter({**dict.fromkeys(FAULTS, 1), "WIRE-5": 1 + 2 * len(OWN) + preflights + 1})
    expected["DELIV-1"] = engine == "chromium"  # The others do not export which requests are beacons.
    found = Counter(line for line in lines if not line.startswith("LINT"))
    assert found == +expected, output
    for header in OWN:
        assert output.count(f" {header}\n") == 2, output
    assert output.count("a CORS preflight was sent before an event, because of ") == preflights
    assert LOST[engine] in output
    assert "s3cr3t" not in output
