"""Requests of the server lane: bodies from vectors, and the command that repeats one."""

import base64
import json
import shlex
from typing import Any

import pytest

from conformance.drivers.requests import Reply, Request, as_json, from_vector
from conformance.protocol.cases import catalogue
from conformance.protocol.requirements import Lane

TEXT = {"Content-Type": "text/plain;charset=UTF-8"}
DOMAIN = {"d": "example.com"}


def body(request: dict[str, Any], envelope: dict[str, Any] | None = None) -> bytes:
    """Return the body of a vector's request."""
    return from_vector(request, "cp1", envelope or {}).body


def test_json_is_written_as_javascript_does() -> None:
    """Text is written as UTF-8 instead of escapes; control characters are escaped."""
    assert as_json({"n": 'é 购买 😀 "\n\0'}) == '{"n": "é 购买 😀 \\"\\n\\u0000"}'.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ud83c", b'"\\ud83c"'),
        ("a\udf89b", b'"a\\udf89b"'),
        ("\ud83c \udf89", b'"\\ud83c \\udf89"'),
        ("\udf89\ud83c", b'"\\udf89\\ud83c"'),
        ("\ud800\udbff\udc00\udfff", b'"\\ud800\\udbff\\udc00\\udfff"'),
        ("\ud7ff\ue000", b'"\xed\x9f\xbf\xee\x80\x80"'),
    ],
)
def test_lone_surrogates_are_escaped(text: str, expected: bytes) -> None:
    """A lone surrogate, which UTF-8 cannot represent, is escaped as by JSON.stringify (PROP-6)."""
    assert as_json(text) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"json": {"t": "e", "n": "A {token}", "ra": 49.99}}, b'{"t": "e", "n": "A cp1", "ra": 49.99}'),
        ({"json": {"mv": [{"$repeat": ["é", 2]}]}}, '{"mv": ["éé"]}'.encode()),
        ({"json": {"mk": {"$series": ["k", 2]}}}, b'{"mk": ["k0", "k1"]}'),
        ({"body": '{"ra": 49.90, "n":"A {token}"}\n'}, b'{"ra": 49.90, "n":"A cp1"}\n'),
        ({"body": {"$join": ["[", {"$repeat": ["9", 3]}]}}, b"[999"),
        ({"body": ""}, b""),
        ({"body_base64": base64.b64encode(b"\xff{token}\0").decode()}, b"\xff{token}\0"),
    ],
)
def test_bodies(request_: dict[str, Any], expected: bytes) -> None:
    """JSON is serialised; in raw text only the token is replaced; raw bytes stay as they are."""
    assert body(request_) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"json": {"t": "e"}}, b'{"t": "e", "d": "example.com"}'),
        ({"json": {"d": 5, "t": "e"}}, b'{"d": 5, "t": "e"}'),
        ({"body": '{"ra": 49.90,\n "ra": 1e3}'}, b'{"d": "example.com", "ra": 49.90,\n "ra": 1e3}'),
        ({"body": "\n{\n}{}"}, b'\n{"d": "example.com"\n}{}'),
        ({"body": "{}"}, b'{"d": "example.com"}'),
        ({"body": "{'t': 'e'}"}, b"{\"d\": \"example.com\", 't': 'e'}"),
        ({"body": '[{"t": "e"}]'}, b'[{"t": "e"}]'),
        ({"body": "null"}, b"null"),
        ({"body": ""}, b""),
        ({"body": "t=e&n={token}"}, b"t=e&n=cp1"),
        ({"body_base64": "e30="}, b"{}"),
    ],
)
def test_the_envelope_is_added_to_objects(request_: dict[str, Any], expected: bytes) -> None:
    """The required fields are added to an object; raw text and other bodies stay as they are."""
    assert body(request_, DOMAIN) == expected


def test_without_an_envelope_raw_text_is_untouched() -> None:
    """Without required fields the text does not change at all."""
    raw = ' { "t" : "e", "ra": 4999e-2 }\r\n'
    assert body({"body": raw}) == raw.encode()


@pytest.mark.parametrize(
    ("more", "headers", "method"),
    [
        ({}, TEXT, "POST"),
        ({"headers": {}}, {}, "POST"),
        ({"headers": {"Content-Type": "application/json"}}, {"Content-Type": "application/json"}, "POST"),
        ({"method": "PUT"}, TEXT, "PUT"),
    ],
)
def test_headers_and_method(more: dict[str, Any], headers: dict[str, str], method: str) -> None:
    """A vector may set headers and method; the default is a browser's text request."""
    found = from_vector({"body": "{}", **more}, "cp1", {})
    assert found == Request(body=b"{}", headers=headers, method=method)


def test_the_envelope_adds_only_itself_to_vectors() -> None:
    """The required fields are added to the JSON of every vector, and nothing else changes."""
    vectors = [c.vector["request"] for c in catalogue() if c.lane is Lane.SERVER and c.vector]
    written = [(body(v), body(v, DOMAIN)) for v in vectors if "json" in v]
    changed = [plain for plain, full in written if json.loads(full) != {**DOMAIN, **json.loads(plain)}]
    assert (bool(written), changed) == (True, [])


def test_every_vector_has_a_body() -> None:
    """The request of every vector of the server lane can be written."""
    vectors = [c.vector["request"] for c in catalogue() if c.lane is Lane.SERVER and c.vector]
    assert [type(body(request, DOMAIN)) for request in vectors] == [bytes] * len(vectors)


URL = "http://127.0.0.1:8000/api/event"


def test_curl_can_be_pasted() -> None:
    """The command repeats a request exactly, quoted for the shell."""
    sent = Request(body=b'{"n": "it\'s $HOME `x` \\n"}', headers={"Content-Type": "text/plain"}, method="PUT")
    assert sent.curl(URL) == (
        "curl -i -X PUT -H 'Content-Type: text/plain' "
        '--data-raw \'{"n": "it\'"\'"\'s $HOME `x` \\n"}\' http://127.0.0.1:8000/api/event'
    )


def words(sent: Request, url: str = URL) -> list[str]:
    """Return the words that a shell makes of the line."""
    return shlex.split(sent.curl(url) or "")


def test_curl_sends_no_type_that_was_not_sent() -> None:
    """The curl command suppresses the Content-Type of a form for a request without one (WIRE-7)."""
    assert "Content-Type:" in words(Request(body=b"{}", headers={}))


def test_curl_quotes_the_address() -> None:
    """A URL with a query is one word of the shell."""
    url = f"{URL}?key=a&site=b;c"
    line = Request(body=b"{}").curl(url)
    assert (line or "").endswith(f" {shlex.quote(url)}")


@pytest.mark.parametrize(
    "content", [b"\xff", b"a\0b", b"x" * 2001, "\ufffd".encode()], ids=["bytes", "NUL", "long", "replaced"]
)
def test_what_no_line_can_say_has_none(content: bytes) -> None:
    """Bytes that are not text, NUL or a very long body have no command, as it would not be exact."""
    assert Request(body=content).curl(URL) is None


def test_a_body_of_2000_characters_has_a_line() -> None:
    """The limit is 2,000 characters, inclusive."""
    assert words(Request(body="é".encode() * 2000))[-2] == "é" * 2000


def test_shown_keeps_every_byte() -> None:
    """Evidence shows a body as text, with escapes for bytes that are not."""
    assert Request(body=b"caf\xc3\xa9 \xff").shown(URL) == {
        "method": "POST",
        "path": "/api/event",
        "headers": {"Content-Type": "text/plain;charset=UTF-8"},
        "body": "café \\xff",
    }


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (202, True), (299, True), (199, False), (301, False), (400, False)]
)
def test_accepted_is_a_2xx(status: int, *, accepted: bool) -> None:
    """Every 2xx accepts a request, and no other status does (WIRE-6)."""
    assert Reply(status=status).accepted is accepted


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(status=400, text="n is missing"), "400 n is missing"),
        (Reply(status=204), "204"),
        (Reply(problem="no answer: ReadTimeout"), "no answer: ReadTimeout"),
    ],
)
def test_a_reply_tells_itself(reply: Reply, text: str) -> None:
    """A reply is described by its status and text, or by the error."""
    assert (str(reply), reply.accepted) == (text, reply.status == 204)
