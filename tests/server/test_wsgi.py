"""The WSGI bridge calls applications as PEP 3333 asks, with the standard library's validator in between."""

import sys
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from wsgiref.validate import validator

import pytest

from reference_server.ingest.endpoint import EventAnswer
from reference_server.runtime.wsgi import Streamed, call, environ_of

PLAIN = [("Content-Type", "text/plain")]


def scope(*headers: tuple[str, str], path: str = "/") -> Any:
    """Return the attributes of an RSGI request that the bridge reads."""
    return SimpleNamespace(
        method="POST",
        path=path,
        query_string="a=1",
        server="[::1]:8000",
        http_version="1.1",
        scheme="http",
        headers=SimpleNamespace(items=lambda: headers),
    )


def answer(application: Callable[..., Iterable[bytes]], body: bytes = b"") -> tuple[int, Any, bytes]:
    """Return status, headers and body; 500 if the application or the bridge breaks PEP 3333."""
    found = call(validator(application), environ_of(scope(), body, "192.0.2.1"))
    assert isinstance(found, EventAnswer)
    return found


def written(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Write a part of the body by the callable that ``start_response`` returns, and return the rest."""
    write = start_response("201 Created", PLAIN)
    write(b"one ")
    write(environ["wsgi.input"].read(3))
    return [b" three"]


def generated(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Begin the response when the first chunk is requested."""
    start_response("200 OK", PLAIN)
    yield b"a"
    yield b"b"


def recovered(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Replace the response by that of an error handler."""
    start_response("200 OK", PLAIN)
    try:
        int("no number")
    except ValueError:
        start_response("404 Not Found", [*PLAIN, ("X-Error", "1")], sys.exc_info())
    return [b"gone"]


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        (written, (201, PLAIN, b"one two three")),
        (generated, (200, PLAIN, b"ab")),
        (recovered, (404, [*PLAIN, ("X-Error", "1")], b"gone")),
    ],
)
def test_applications_are_answered(application: Any, expected: tuple[int, Any, bytes]) -> None:
    """Written data precedes returned data, and an error handler may start the response again."""
    assert answer(application, b"two") == expected


class Closing:
    """An iterable that fails half-way and records if it was closed."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Fail after the first chunk."""
        yield b"a"
        raise OSError("half-way")

    def close(self) -> None:
        """Record the call."""
        self.closed = True


def test_a_long_answer_is_read_in_parts() -> None:
    """Only what is sent at once is read before the first part, and the rest when it is asked for."""
    made = []

    def application(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        for number in range(100):
            made.append(number)
            yield b"x" * 100_000

    found = call(validator(application), environ_of(scope(), b"", "192.0.2.1"))
    assert isinstance(found, Streamed)
    assert (found.status, found.headers, len(made)) == (200, PLAIN, 11)
    parts = list(iter(found.part, b""))
    assert max(map(len, parts[1:])) <= 200_000
    assert b"".join(parts) == b"x" * 10_000_000
    found.close()


def test_an_error_after_the_head_is_raised() -> None:
    """The application's error ends the answer, because sent parts cannot be taken back."""

    def application(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"x" * 2_000_000
        try:
            int("no number")
        except ValueError:
            start_response("500 Internal Server Error", PLAIN, sys.exc_info())

    found = call(application, environ_of(scope(), b"", "192.0.2.1"))
    assert isinstance(found, Streamed)
    assert len(found.part()) == 2_000_000
    with pytest.raises(ValueError, match="no number"):
        found.part()


def test_an_iterable_that_fails_is_closed() -> None:
    """The answer is a 500, and not a part of the body."""
    chunks = Closing()

    def application(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return chunks

    assert (call(application, environ_of(scope(), b"", "192.0.2.1")).status, chunks.closed) == (500, True)


def late(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Start the response after the first chunk."""
    yield b"data"
    start_response("200 OK", PLAIN)


def twice(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Start the response twice without an error."""
    start_response("200 OK", PLAIN)
    start_response("200 OK", PLAIN)
    return []


@pytest.mark.parametrize("application", [twice, late, lambda *_: []], ids=["twice", "late", "never"])
def test_an_application_that_breaks_the_rules_is_a_fault(application: Any, caplog: Any) -> None:
    """The answer is a 500, and the log names the rule."""
    assert call(application, environ_of(scope(), b"", "192.0.2.1")).status == 500
    assert "start_response" in caplog.text


def test_the_environment_is_that_of_the_request() -> None:
    """Lines of a header are joined, ambiguous names dropped, and the length is that of the body."""
    lines = [("x-forwarded-for", "1"), ("x-forwarded-for", "2"), ("x_forwarded_for", "3")]
    cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("content-length", "99"), ("content-type", "text/plain")]
    environ = environ_of(scope(*lines, *cookies, path="/ü"), b"body", "192.0.2.1")
    expected = {
        "HTTP_X_FORWARDED_FOR": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_LENGTH": "4",
        "CONTENT_TYPE": "text/plain",
        "PATH_INFO": "/\xc3\xbc",
        "SERVER_NAME": "::1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.1",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert "HTTP_CONTENT_LENGTH" not in environ
