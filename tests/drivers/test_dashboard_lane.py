"""Responses of a dashboard's API: unexpected ones, and figures that differ."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import cast

import pytest

from conformance.drivers.dashboard_data import digits
from conformance.drivers.demo_site import Site, require_equal
from conformance.harness.dashboard_api import ApiAnswer, Dashboard
from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.protocol.outcomes import NotAsked, NotTestable, Violation
from conformance.targets import Server


def answer(text: str, status: int = 200) -> ApiAnswer:
    """Return a response to a request for events."""
    return ApiAnswer(asked="GET /api/sites/a.example/events", status=status, text=text)


@pytest.mark.parametrize(("opening", "limit"), [(0.0, 10.0), (2.0, 10.0), (4.0, 16.0), (60.0, 30.0)])
def test_a_page_that_opens_slowly_may_update_itself_slowly(opening: float, limit: float) -> None:
    """DASH-3: the limit of 10 s grows with the time in which this machine opens the page, up to 30 s."""
    waited: list[float] = []

    def wait(read: Callable[[], object], _expected: object, seconds: float) -> object:
        waited.append(seconds)
        return read()

    site = SimpleNamespace(wait=wait, evidence=SimpleNamespace(received={}, notes=()))
    with pytest.raises(Violation, match=f"events, {limit:.0f} s after the answer"):
        Site.require_new(cast("Site", site), "events", list, [("Signup", 1)], 0.0, opening=opening)
    assert waited == [limit]


def test_columns_of_rows_are_read() -> None:
    """The rows of a list are read by their columns; other members are ignored."""
    found = answer('{"events": [{"name": "Signup", "count": 3, "more": 1}], "total": 1}')
    assert found.rows("events", "name", "count") == [("Signup", 3)]


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("no", 500, "was answered 500: no"),
        ("<p>Hello", 200, "was not answered with JSON"),
        ("{}", 200, "no events in {}"),
        ("[]", 200, r"no events in \[\]"),
        ("", 202, "no events in null"),
        ('{"events": [{"name": "Signup"}]}', 200, 'no name, count in {"name": "Signup"}'),
        ('{"events": ["Signup"]}', 200, 'no name, count in "Signup"'),
    ],
)
def test_other_answers_are_violations(text: str, status: int, message: str) -> None:
    """A response that violates the contract is a violation that names the request."""
    with pytest.raises(Violation, match=message) as caught:
        answer(text, status).rows("events", "name", "count")
    assert str(caught.value).startswith("GET /api/sites/a.example/events")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("€60.50", "6050"),
        ("60,5 €", "6050"),
        ("1.234,50 €", "123450"),
        ("¥5,000", "5000"),
        ("5000.00 JPY", "5000"),
        ("ZZZ 7.00", "7"),
        ("7", "7"),
        ("", ""),
    ],
)
def test_amounts_in_any_form(text: str, number: str) -> None:
    """An amount is recognised in every notation that a page may use."""
    assert digits({"Purchase": {"EUR": text}}) == {"Purchase": {"EUR": number}}


def test_equal_is_fine() -> None:
    """Equal figures raise nothing."""
    require_equal("events", [("a", 1)], [("a", 1)])


def test_a_difference_shows_both_sides() -> None:
    """The message about a difference has both sides and, for a long list, the row."""
    with pytest.raises(Violation, match=r"^events: expected \[\('a', 1\)\], got \[\]$"):
        require_equal("events", [], [("a", 1)])
    names = [f"Event {number}" for number in range(20)]
    with pytest.raises(Violation, match=r"^events, row 20: expected 'Event 19', got 'nothing'$"):
        require_equal("events", names[:-1], names)
    with pytest.raises(Violation, match=r"^events, row 3: expected 'Event 2', got 'Event 3'$"):
        require_equal("events", [*names[:2], *names[3:]], names)


@contextmanager
def dashboard(status: int, text: str, *, named: bool = False) -> Iterator[Dashboard]:
    """Yield a client for a server with one response to everything; with status 0 it closes the connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if status:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=httpd.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{httpd.server_port}"
    options = Options(server=url, dashboard=url if named else None)
    server = Server(name=url, url=f"{url}/api/event")
    try:
        with closing(Dashboard(RunContext(options=options, run="r", since="", server=server))) as found:
            yield found
    finally:
        httpd.shutdown()
        httpd.server_close()


ALIEN = [(404, ""), (200, "ok"), (200, "{}"), (200, "[]"), (401, "who?"), (405, ""), (500, "no"), (0, "")]


@pytest.mark.parametrize(("status", "text"), ALIEN)
def test_usage_is_not_asked_of_a_server_that_offers_none(status: int, text: str) -> None:
    """QUOTA-1 is not checked in the server lane if the server has no usage API."""
    with dashboard(status, text) as found, pytest.raises(NotAsked, match="if the server offers the usage"):
        found.require_usage("a.example")


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"pageviews": 3, "custom_events": 0, "total": 3}', False), ("{}", True), ("no", True)],
)
def test_usage_is_asked_of_a_server_that_offers_it(text: str, *, named: bool) -> None:
    """QUOTA-1 is checked if the server has a usage API, correct or not, or if a dashboard was named."""
    with dashboard(200, text, named=named) as found:
        found.require_usage("a.example")


def test_a_server_that_hangs_up_has_no_dashboard() -> None:
    """A server that closes the connection is not testable: only its events were named, no dashboard."""
    with dashboard(0, "") as found, pytest.raises(NotTestable, match="no dashboard to check"):
        found.require_known("a.example")
