"""Events over HTTP: responses of a started server, and the resulting rows in ClickHouse."""

import json
import socket
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from clickhouse_connect.driver.client import Client

Rows = Callable[..., list[tuple[Any, ...]]]
Server = Any


def event(name: str, **members: Any) -> dict[str, Any]:
    """Return a payload of the registered site."""
    return {"t": "e", "n": name, "d": "example.com", **members}


def test_an_event_is_a_row(server: Server, rows: Rows, token: str) -> None:
    """STORE-1 to STORE-4: every column of a full event."""
    body = event(
        token,
        mk=["plan", "seats"],
        mv=["pro", 5],
        ra=49.99,
        rc="EUR",
        u="https://www.Example.com:8443/pricing?x=1#top",
        r="https://search.example/",
        s="session-1",
        p="visit-1",
    )
    assert server.post(body).status_code == 202
    columns = (
        "site_id, type, session_id, pageview_id, hostname, pathname, referrer, meta_keys, meta_values, "
        "revenue_source_amount, revenue_source_currency"
    )
    assert rows(columns) == [
        (
            "example.com",
            "custom",
            "session-1",
            "visit-1",
            "www.example.com",
            "/pricing",
            "https://search.example/",
            ["plan", "seats"],
            ["pro", "5"],
            Decimal("49.99"),
            "EUR",
        )
    ]


def test_a_name_alone_is_a_row_without_properties_and_revenue(server: Server, rows: Rows, token: str) -> None:
    """REV-4, STORE-2: empty arrays, NULL and an empty currency."""
    server.post(event(token))
    columns = ("meta_keys", "meta_values", "revenue_source_amount", "revenue_source_currency")
    assert rows(*columns) == [([], [], None, "")]


def test_the_time_of_a_row_is_that_of_its_arrival(server: Server, rows: Rows, token: str) -> None:
    """The time is the server's, in UTC with milliseconds."""
    before = time.time()
    server.post(event(token))
    [(stored,)] = rows("toUnixTimestamp64Milli(timestamp)")
    assert before - 0.001 <= stored / 1000 <= time.time()


def test_equal_events_are_two_rows(server: Server, rows: Rows, token: str) -> None:
    """STORE-1: the deduplication of retries never merges two calls."""
    for _ in range(2):
        server.post(event(token, s="s1", p="p1"))
    assert rows("name") == [(token,), (token,)]


AMOUNTS = ("49.99", "9999999999999.99", "999999999999999", "0.1", "-19.9", "0", "0.0375", "1e3")


def test_amounts_are_stored_exactly(server: Server, rows: Rows, token: str) -> None:
    """REV-1, REV-6: the decimal in the JSON text is the decimal in the column."""
    for number, amount in enumerate(AMOUNTS):
        body = json.dumps(event(f"{token} {number}"))[:-1] + f', "ra": {amount}}}'
        server.post(body.encode())
    assert rows("revenue_source_amount") == [(Decimal(amount),) for amount in AMOUNTS]


CONTENT_TYPES = ("text/plain;charset=UTF-8", "application/json", "", "application/x-www-form-urlencoded")


def test_json_is_read_under_any_content_type(server: Server, rows: Rows, token: str) -> None:
    """WIRE-7: beacons, scripts, forms and requests without a type are read alike."""
    names = [f"{token} {content_type}" for content_type in sorted(CONTENT_TYPES)]
    for name, content_type in zip(names, sorted(CONTENT_TYPES), strict=True):
        answer = server.post(json.dumps(event(name)).encode(), **{"Content-Type": content_type})
        assert answer.status_code == 202, content_type
    assert rows("name") == [(name,) for name in names]


def test_a_byte_order_mark_is_no_harm(server: Server, rows: Rows, token: str) -> None:
    """WIRE-8 leaves this open; this server accepts the event."""
    answer = server.post(b"\xef\xbb\xbf" + json.dumps(event(token)).encode())
    assert (answer.status_code, rows("name")) == (202, [(token,)])


def test_a_legal_event_of_360_kilobytes(server: Server, rows: Rows, token: str) -> None:
    """PROP-2, PROP-3: 30 values of 2,000 control characters, each six bytes in JSON."""
    values = ["\x01" * 2000] * 30
    body = json.dumps(event(token, mk=[f"k{n}" for n in range(30)], mv=values)).encode()
    assert len(body) > 360_000
    answer = server.post(body)
    assert (answer.status_code, rows("meta_values")) == (202, [(values,)])


@pytest.mark.parametrize("character", ["文", "😀", "\x01"])
def test_a_name_of_10000_characters_is_stored(
    server: Server, client: Client, token: str, character: str
) -> None:
    """STORE-1: it is stored verbatim, with thirty properties of maximum length."""
    name = character * (10_000 - len(token)) + token
    keys, values = [character * 1000 + f"{n}" for n in range(30)], [character * 1000] * 30
    assert server.post(event(name, mk=keys, mv=values, s=token)).status_code == 202
    server.settle()
    query = f"SELECT name, meta_keys, meta_values FROM events WHERE session_id = '{token}'"
    assert client.query(query).result_rows == [(name, keys, values)]
    query = f"SELECT count() FROM rollup_properties WHERE endsWith(name, '{token}')"
    assert client.query(query).result_rows == [(90,)]


@pytest.mark.parametrize(
    ("members", "limit"),
    [
        ({"n": "x" * 40_001}, "n must have at most 40,000 bytes"),
        ({"mk": ["x" * 8001]}, "mk must have at most 8,000 bytes"),
    ],
    ids=["name", "key"],
)
def test_what_cannot_be_cut_is_refused_by_its_limit(
    server: Server, members: dict[str, Any], limit: str
) -> None:
    """WIRE-8: a name or key may not exceed its limit: the rollups would store it ninety times."""
    answer = server.post({**event("x"), "mv": ["v"], **members})
    assert (answer.status_code, limit in answer.json()["error"]) == (400, True)


BROKEN = (
    b"http://[",
    b"http://[::1",
    b"http://a:b:c@[/",
    b"\xff\xfe",
    b"http://\xed\xa0\x80/",
    b"[",
    b"h" * 50_000,
)


@pytest.mark.parametrize("header", [b"Origin", b"Referer", b"Host", b"User-Agent"])
def test_no_header_is_a_fault(server: Server, rows: Rows, token: str, header: bytes) -> None:
    """WIRE-8: with any header the event is stored once or refused with a 4xx."""
    body = json.dumps(event(token)).encode()
    statuses = []
    for value in BROKEN:
        host = b"" if header == b"Host" else b"Host: x\r\n"
        head = b"POST /api/event HTTP/1.1\r\n" + host + header + b": " + value
        head += b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        statuses.append(exchange(server.url, head + body, half_close=False).split(b" ")[1])
    assert {status for status in statuses if not status.startswith(b"4")} <= {b"202"}
    assert len(rows("name")) == statuses.count(b"202") > 0


def test_a_domain_that_dns_cannot_hold_is_dropped_and_reported(
    server: Server, rows: Rows, token: str
) -> None:
    """The event belongs to no site, although the URL of its page names one."""
    answer = server.post({**event(token), "d": "a." * 127 + "example", "u": "https://example.com/"})
    assert (answer.status_code, answer.headers["x-clickport-notes"], rows("name")) == (
        202,
        "d is not a domain of at most 253 characters: event dropped",
        [],
    )


def test_a_chunked_body(server: Server, rows: Rows, token: str) -> None:
    """A body without Content-Length, in pieces."""
    body = json.dumps(event(token, mk=["k"], mv=["x" * 2000])).encode()
    answer = server.http.post("/api/event", content=iter([body[:10], body[10:500], body[500:]]))
    assert (answer.status_code, rows("meta_values")) == (202, [(["x" * 2000],)])


def test_any_origin_may_post(server: Server, token: str) -> None:
    """WIRE-7: CORS for every origin, without credentials, the notes readable."""
    headers = server.post(event(token), Origin="https://shop.test").headers
    assert {name: headers.get(name) for name in headers if name.startswith("access-control-")} == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "X-Clickport-Notes",
    }


def test_a_preflight_is_answered(server: Server) -> None:
    """WIRE-7: trackers that send application/json send a preflight first."""
    answer = server.http.options("/api/event")
    headers = answer.headers
    assert (
        answer.status_code,
        headers["access-control-allow-origin"],
        headers["access-control-allow-methods"],
        headers["access-control-allow-headers"],
    ) == (204, "*", "POST", "*")


def test_an_error_is_readable_from_any_origin(server: Server) -> None:
    """WIRE-7: a page can read why its event was refused."""
    assert server.post(b"").headers["access-control-allow-origin"] == "*"


def test_changes_are_reported_in_a_header(server: Server, token: str) -> None:
    """LINT-5: the response lists what was dropped."""
    answer = server.post(event(token, mk=["k"] * 31, mv=["v"] * 31, ra="$5"))
    assert answer.headers["x-clickport-notes"] == (
        "31 properties: the first 30 kept; "
        "ra is not a finite number of at most 20 digits before the point: revenue dropped"
    )


def test_an_unknown_site_is_dropped_and_reported(server: Server, rows: Rows, token: str) -> None:
    """The status is 202 as for any event, there is no row, and the header gives the reason."""
    answer = server.post({**event(token), "d": "elsewhere.test"})
    assert (answer.status_code, answer.headers["x-clickport-notes"], rows("name")) == (
        202,
        "the site is not registered: event dropped",
        [],
    )


PLACES: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    ({"d": "https://www.EXAMPLE.com/"}, {}),
    ({"u": "https://example.com:8080/page"}, {}),
    ({"u": "http://[broken"}, {"Origin": "https://www.example.com"}),
    ({}, {"Origin": "https://example.com"}),
    ({}, {"Origin": "null", "Referer": "https://example.com/page"}),
    ({}, {"Host": "example.com"}),
)


def test_where_the_site_is_looked_for(server: Server, rows: Rows, token: str) -> None:
    """The site is the domain of the payload, or else that of the page's URL or of the headers."""
    names = [f"{token} {number}" for number in range(len(PLACES))]
    for name, (members, headers) in zip(names, PLACES, strict=True):
        server.post({"t": "e", "n": name, **members}, **headers)
    assert rows("name", "site_id") == [(name, "example.com") for name in names]


def test_events_without_a_session_share_the_visitors(server: Server, rows: Rows, token: str) -> None:
    """STORE-4: a browser that pauses less than 30 minutes is one visitor in one session."""
    for number in range(2):
        server.post(event(f"{token} {number}"), **{"User-Agent": token})
    first, second = rows("visitor_id", "session_id")
    assert first == second != ("", "")


def test_another_browser_is_another_visitor(server: Server, rows: Rows, token: str) -> None:
    """STORE-4: different user agents are different visitors."""
    for number in range(2):
        server.post(event(f"{token} {number}"), **{"User-Agent": f"{token} {number}"})
    (visitor, session), (other_visitor, other_session) = rows("visitor_id", "session_id")
    assert visitor != other_visitor
    assert session != other_session


def test_an_event_is_linked_to_the_latest_page_visit(server: Server, rows: Rows, token: str) -> None:
    """STORE-4: an event without an id of its page visit belongs to the current page of its session."""
    for visit in ("visit-1", "visit-2"):
        server.post({"t": "p", "d": "example.com", "s": token, "p": visit})
    server.post(event(token, s=token))
    assert rows("pageview_id") == [("visit-2",)]


def test_a_pageview_is_a_row_of_its_own_type(server: Server, client: Client, token: str) -> None:
    """A pageview is never stored as a custom event."""
    server.post({"t": "p", "d": "example.com", "s": token, "p": "visit-1"})
    server.settle()
    query = f"SELECT type, name, pageview_id FROM events WHERE session_id = '{token}'"
    assert client.query(query).result_rows == [("pageview", "", "visit-1")]


DEEP = b'{"t": "e", "n": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
REFUSED = {
    "empty": (b"", 400),
    "broken": (b'{"t": "e", "n": ', 400),
    "two values": (b'{"t": "e", "n": "x"} {}', 400),
    "invalid UTF-8": (b'{"t": "e", "n": "\xff"}', 400),
    "UTF-16": ('{"t": "e", "n": "x"}'.encode("utf-16"), 400),
    "NaN": (b'{"t": "e", "n": "x", "ra": NaN}', 400),
    "Infinity": (b'{"t": "e", "n": "x", "ra": -Infinity}', 400),
    "control character": (b'{"t": "e", "n": "a\nb"}', 400),
    "array": (b'[{"t": "e", "n": "x"}]', 400),
    "string": (b'"Signup"', 400),
    "null": (b"null", 400),
    "no name": (b'{"t": "e"}', 400),
    "empty name": (b'{"t": "e", "n": ""}', 400),
    "unknown type": (b'{"t": "custom", "n": "x"}', 400),
    "deep": (DEEP, 400),
    "exponent": (b'{"t": "e", "n": "x", "ra": 1e99999999999999999999}', 400),
    "over a megabyte": (b'{"t": "e", "n": "x", "pad": "' + b"x" * 1024**2 + b'"}', 413),
    "many megabytes": (b'{"t": "e", "n": "x", "pad": "' + b"x" * 8 * 1024**2 + b'"}', 413),
}


def test_what_is_no_event_is_refused_with_a_reason(server: Server, rows: Rows, token: str) -> None:
    """WIRE-8: the 4xx has a reason as JSON, and each next event is stored."""
    found = {}
    for number, (case, (content, _)) in enumerate(REFUSED.items()):
        answer = server.post(content)
        found[case] = (answer.status_code, list(answer.json()))
        server.post(event(f"{token} {number:02}"))
    assert found == {case: (status, ["error"]) for case, (_, status) in REFUSED.items()}
    assert rows("name") == [(f"{token} {number:02}",) for number in range(len(REFUSED))]


HOSTILE_COLUMNS = ("name", "meta_values", "revenue_source_amount")
HOSTILE: dict[str, tuple[str, tuple[Any, ...]]] = {
    "5,000 digits in an unknown key": ('"big": ' + "9" * 5000, ([], None)),
    "5,000 digits as a value": ('"mk": ["k"], "mv": [' + "9" * 5000 + "]", (["Infinity"], None)),
    "5,000 digits as amount": ('"ra": ' + "9" * 5000, ([], None)),
    "1e400 as amount": ('"ra": 1e400', ([], None)),
    "1e999999999 as amount": ('"ra": 1e999999999', ([], None)),
    "lone surrogate": ('"mk": ["k"], "mv": ["a\\ud83d"]', (["a\ufffd"], None)),
    "NUL": ('"mk": ["k"], "mv": ["a\\u0000b"]', (["a\0b"], None)),
    "duplicate keys": ('"ra": 1, "ra": 2.5', ([], Decimal("2.5"))),
    "500 brackets": ('"mk": ["k"], "mv": [' + "[" * 500 + "1" + "]" * 500 + "]", (["1"], None)),
    "a million members": ('"mk": ["k"], "mv": [[' + "1," * 400_000 + "1]]", (["1," * 1000], None)),
    "broken page": ('"u": "http://[::", "r": 5, "s": [], "p": {}', ([], None)),
}


def test_what_is_valid_but_hostile_is_a_proper_row(server: Server, rows: Rows, token: str) -> None:
    """WIRE-8: huge numbers and unusual text or types affect at most themselves."""
    for case, (members, _) in HOSTILE.items():
        name = f"{token} {case}"
        answer = server.post(f'{{"t": "e", "n": "{name}", "d": "example.com", {members}}}'.encode())
        assert answer.status_code == 202, case
    found = {name.removeprefix(f"{token} "): tuple(row) for name, *row in rows(*HOSTILE_COLUMNS)}
    assert found == {case: stored for case, (_, stored) in HOSTILE.items()}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_405(server: Server, method: str) -> None:
    """WIRE-8: the 4xx names the allowed methods."""
    answer = server.http.request(method, "/api/event")
    allowed = set(answer.headers["allow"].split(", "))
    assert (answer.status_code, answer.headers["content-type"], allowed) == (
        405,
        "application/json",
        {"POST", "OPTIONS"},
    )


def test_an_unknown_path_is_404_in_json(server: Server) -> None:
    """All errors are JSON."""
    answer = server.http.get("/api/nothing")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def exchange(url: str, sent: bytes, *, half_close: bool) -> bytes:
    """Send raw bytes and return the first part of the response."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096)


@pytest.mark.parametrize("half_close", [False, True], ids=["waits", "leaves"])
def test_a_content_length_that_promises_too_much(
    server: Server, rows: Rows, token: str, half_close: bool
) -> None:
    """WIRE-8: an incomplete body gets 408 after the timeout, even if its beginning is a valid event."""
    body = json.dumps(event(token)).encode()
    head = f"POST /api/event HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 10}\r\n\r\n".encode()
    answer = exchange(server.url, head + body, half_close=half_close)
    assert (answer.split(b"\r\n")[0], rows("name")) == (b"HTTP/1.1 408 Request Timeout", [])


def test_stalled_clients_do_not_stop_the_others(server: Server, rows: Rows, token: str) -> None:
    """WIRE-8: with more stalled bodies than threads, an event is still accepted."""
    parts = urlsplit(server.url)
    head = b"POST /api/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    stalled = [socket.create_connection((parts.hostname, parts.port)) for _ in range(64)]
    try:
        for connection in stalled:
            connection.sendall(head)
        assert server.post(event(token)).status_code == 202
    finally:
        for connection in stalled:
            connection.close()
    assert rows("name") == [(token,)]


def test_the_tracker_is_served_and_cached(server: Server) -> None:
    """A request with the ETag of the script gets 304."""
    first = server.http.get("/tracker.js")
    again = server.http.get("/tracker.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, first.headers["content-type"], again.status_code) == (
        200,
        "text/javascript; charset=utf-8",
        304,
    )


def test_the_tracker_comes_whole_whatever_range_is_asked_for(server: Server) -> None:
    """An invalid Range must not leave a page without its tracker (found by Schemathesis)."""
    whole = server.http.get("/tracker.js")
    for asked in ("", "bytes=9-1", "bytes=0-3", "lines=1"):
        answer = server.http.get("/tracker.js", headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, whole.content), asked


def test_health_includes_clickhouse(server: Server) -> None:
    """The status is 200 while ClickHouse answers."""
    answer: httpx.Response = server.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "clickhouse": True})
