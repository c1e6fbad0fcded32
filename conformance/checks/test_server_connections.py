"""The event endpoint under other origins, odd framing and concurrency (WIRE-7, WIRE-8, STORE-5)."""

import base64
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from conformance.drivers.expectations import NO_READBACK
from conformance.drivers.markers import scenarios
from conformance.drivers.posted_batch import awaited, event_url, plain_event, post_burst, sender_to
from conformance.drivers.requests import Reply, Request, as_json
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.browser_headers import TEXT, browser_headers
from conformance.protocol.outcomes import NotTestable, TargetUnavailable, Violation
from conformance.readback import StoredRow
from conformance.targets.asking import SECONDS, Answer, Asker, NoAnswer

_ORIGIN = "https://shop.example"
_TEXT = {"Content-Type": TEXT, "Origin": _ORIGIN}


@scenarios("server/wire-7-any-origin-may-post")
def test_any_origin_may_post(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """WIRE-7: a page of another origin may read the answer."""
    answer = _ask(instruments, "POST", _TEXT, plain_event(instruments.setup, token))
    _require_allowed(evidence, _TEXT, answer)


@scenarios("server/wire-7-preflight")
def test_preflight(instruments: Instruments, evidence: Evidence) -> None:
    """WIRE-7: a preflight for a JSON request from another origin is granted."""
    headers = {
        "Origin": _ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = _ask(instruments, "OPTIONS", headers)
    _require_allowed(evidence, headers, answer)
    allowed = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    if "content-type" not in allowed and "*" not in allowed:
        raise Violation(f"Access-Control-Allow-Headers does not name content-type: {allowed!r}")


@scenarios("server/wire-8-chunked-body")
def test_chunked_body(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """WIRE-8: a chunked body is stored as one row, or refused."""
    body = plain_event(instruments.setup, token)
    parts = [body[:10], body[10:]]
    answer = _ask(instruments, "POST", _TEXT, iter(parts))
    evidence.sent, evidence.received = {"chunks": [p.decode() for p in parts]}, _shown(answer)
    if answer.status // 100 not in (2, 4):
        raise Violation(f"expected 2xx or 4xx, got {answer.status}")
    rows = _rows(instruments, evidence, {token: int(answer.accepted)})
    if rows is not None and len(rows[token]) != answer.accepted:
        raise Violation(f"answered {answer.status}, but {len(rows[token])} rows were stored")


@scenarios("server/wire-8-body-shorter-than-announced")
def test_short_body(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """WIRE-8: a truncated body does no harm to the next event."""
    with _half_sent(instruments, token) as (connection, head):
        evidence.sent = head
        answer = _answer_to_half(connection)
    evidence.received = answer or "the connection was closed"
    if answer.partition(" ")[2].startswith("5"):
        raise Violation(f"expected a 4xx or a closed connection, got {answer.splitlines()[0]}")
    _require_still_alive(instruments, evidence, token)


@scenarios("server/wire-8-slow-sender")
def test_slow_sender(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """WIRE-8: while four senders hold back half of their bodies, another sender's event is answered."""
    with (
        _half_sent(instruments, token) as (_, evidence.sent),
        _half_sent(instruments, token),
        _half_sent(instruments, token),
        _half_sent(instruments, token),
    ):
        _require_still_alive(instruments, evidence, token)


@scenarios("server/store-5-acknowledged-is-stored-once")
def test_acknowledged_is_stored_once(instruments: Instruments, evidence: Evidence) -> None:
    """STORE-5: each acknowledged event of a burst on several connections is stored exactly once."""
    burst = instruments.once(post_burst)
    evidence.sent = f"{len(burst.replies)} events on several connections"
    _require_each_once(evidence, burst.replies, burst.rows)


@scenarios("server/store-5-bad-neighbours")
def test_bad_neighbours(instruments: Instruments, evidence: Evidence, token: str) -> None:
    """STORE-5: good events sent between malformed and hostile ones are all stored."""
    bad = [
        b'{"t": "e", "n": "\\ud83d", "mk": ["\\udc00"], "mv": ["\\ud83d"], "ra": 1e999, "rc": "\\ud83d"}',
        b'{"t": "e", "n": "\\u0000", "mk": [null, 1], "mv": [{"a": 1}, [2]], "ra": "NaN", "rc": 5}',
        b'{"t": "e", "n": "big", "mk": [], "mv": [], "ra": 1e30, "rc": "EUR"}',
        b'{"t": "e", "n": ',
        b"\xff\xfe\xfa",
    ]
    good = [f"{token}{number}x" for number in range(len(bad) + 1)]
    replies = {}
    sender = sender_to(instruments, hostile=True)
    for number, each in enumerate(good):
        replies[each] = sender.send(Request(body=plain_event(instruments.setup, each)))
        for body in bad[number : number + 1]:
            sender.send(Request(body=body))
    sender.close()
    evidence.sent = {"between good events": [body.decode("latin-1") for body in bad]}
    _require_each_once(evidence, replies, _rows(instruments, evidence, dict.fromkeys(replies, 1)))


def _answer_to_half(connection: socket.socket) -> str:
    """Close the sending side; return the answer, "" if the connection closed. Raises Violation on timeout."""
    try:
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096).decode("latin-1")
    except TimeoutError:
        raise Violation(
            f"{SECONDS:g} s after the sender had finished there was neither an answer nor a closed connection"
        ) from None
    except OSError:  # The connection was closed, which is allowed.
        return ""


def _require_each_once(
    evidence: Evidence, replies: Mapping[str, Reply], rows: Mapping[str, list[StoredRow]] | None
) -> None:
    refused = [str(reply) for reply in replies.values() if not reply.accepted]
    evidence.received = f"{len(replies) - len(refused)} accepted"
    if refused:
        raise Violation(f"{len(refused)} of {len(replies)} good events were refused: {refused[0]}")
    if rows is None:
        raise NotTestable(NO_READBACK)
    lost = sum(not rows[each] for each in replies)
    doubled = sum(len(rows[each]) > 1 for each in replies)
    evidence.stored = {"lost": lost, "doubled": doubled}
    if lost or doubled:
        raise Violation(
            f"of {len(replies)} acknowledged events {lost} were lost and {doubled} stored more than once"
        )


def _rows(
    instruments: Instruments, evidence: Evidence, expected: Mapping[str, int]
) -> Mapping[str, list[StoredRow]] | None:
    if instruments.readback is None:
        return None
    rows = awaited(instruments, expected)
    evidence.rows([row for found in rows.values() for row in found][:5])
    return rows


def _require_still_alive(instruments: Instruments, evidence: Evidence, token: str) -> None:
    sender = sender_to(instruments)
    reply = sender.send(Request(body=plain_event(instruments.setup, token)))
    sender.close()
    if not reply.accepted:
        raise Violation(f"another sender's event, sent meanwhile, was not accepted: {reply}")
    rows = _rows(instruments, evidence, {token: 1})
    if rows is not None and len(rows[token]) != 1:
        raise Violation(f"another sender's event was accepted and left {len(rows[token])} rows, expected 1")


@contextmanager
def _half_sent(instruments: Instruments, token: str) -> Iterator[tuple[socket.socket, str]]:
    """Yield a connection with an unfinished request, 100 bytes short of its length, and the text sent."""
    parts = urlsplit(event_url(instruments))
    body = as_json({"t": "e", "n": "Half", "case": token[:-1]})
    userinfo, _, host = parts.netloc.rpartition("@")
    headers = {"Host": host, **browser_headers(instruments.setup.options.domain), "Content-Type": TEXT}
    if userinfo:  # As httpx sends the credentials of a URL.
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(userinfo).encode()).decode()}"
    lines = (f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {parts.path} HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(body) + 100}\r\n\r\n"
    secure, name = parts.scheme == "https", parts.hostname or ""
    with ExitStack() as stack:
        address = (name, parts.port or (443 if secure else 80))
        try:
            connection = stack.enter_context(socket.create_connection(address, timeout=SECONDS))
            if secure:
                context = ssl.create_default_context()
                connection = stack.enter_context(context.wrap_socket(connection, server_hostname=name))
            connection.sendall(head.encode() + body)
        except OSError as error:
            raise TargetUnavailable(f"could not connect to {name}:{address[1]} any more: {error}") from error
        yield connection, head + body.decode()


def _require_allowed(evidence: Evidence, sent: Any, answer: Answer) -> None:
    evidence.sent, evidence.received = json.loads(json.dumps(sent)), _shown(answer)
    if not answer.accepted:
        raise Violation(f"expected 2xx, got {answer.status} {answer.text[:200]}")
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    if allowed not in ("*", _ORIGIN):
        raise Violation(f"Access-Control-Allow-Origin is {allowed!r}, expected '*' or the page's origin")


def _shown(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": dict(answer.headers), "text": answer.text[:500]}


def _ask(instruments: Instruments, method: str, headers: Mapping[str, str], content: Any = None) -> Answer:
    """Send a request as a browser on another site's page does. Raises Violation without an answer."""
    url = event_url(instruments)
    instruments.patience.require_answers(url)
    with closing(Asker(browser_headers("shop.example"))) as asker:
        try:
            answer = asker.ask(method, url, content=content, headers=headers)
        except NoAnswer as reason:
            instruments.patience.silences += 1
            raise Violation(f"expected an answer, got none: {reason}") from reason
    instruments.patience.silences = 0
    return answer
