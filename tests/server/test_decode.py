"""Decoding of bodies agrees with Python's own JSON, at any depth and with any digits."""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reference_server.event import EventRow
from reference_server.ingest.decode import decode
from reference_server.ingest.normalise import Rejected, normalise
from reference_server.web.live_stream import shown

ROW = EventRow("a.example", datetime.now(UTC), "custom", "a", "", "", "", "", "", "", (), (), None, "")

_TEXT = (
    st.text() | st.text(st.sampled_from('\ud83c\udf89\ud800\x00\x1f"\\/é')) | st.from_regex(r"-?[0-9]{1,30}")
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=3)
)
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
_KEYS = st.sampled_from(["n", "mk", "mv", "ra", "rc", "d", "u", "s", "p", "x"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Generate bodies of events, some with an invalid part, and with numbers in any spelling."""
    members = [
        *(
            f"{json.dumps(key)}: {json.dumps(draw(_VALUES), ensure_ascii=draw(st.booleans()))}"
            for key in draw(st.lists(_KEYS))
        ),
        f'"t": {json.dumps(draw(st.sampled_from(["e", "p", 1, "x"])))}',
        f'"ra": {draw(_NUMBERS)}',
    ]
    text = "{" + ", ".join(draw(st.permutations(members))) + "}"
    body = text.encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=2)) + body[at:] if draw(st.booleans()) else body


def expected(body: bytes) -> Any:
    """Return the event in a body as Python's own JSON reads it, or Rejected."""
    try:
        text = body.decode("utf-8-sig")
        payload = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=int)
    except (ValueError, InvalidOperation):
        return Rejected
    return outcome(payload) if isinstance(payload, dict) else Rejected


def outcome(payload: dict[str, Any]) -> Any:
    """Return the event of a payload with its notes, or Rejected."""
    try:
        event = normalise(payload)
    except Rejected:
        return Rejected
    return event, event.notes


def meaning(body: bytes) -> Any:
    """Return the event that the server reads in a body with its notes, or Rejected."""
    try:
        payload = decode(body)
    except Rejected:
        return Rejected
    return outcome(payload)


@given(bodies())
@example(b'{"t": "e", "n": "a", "ra": 12345678901234567.89}')
@example(b'{"t": "e", "n": "a", "ra": 1e400}')
@example(b'{"t": "e", "n": "a", "n": "b", "mk": ["k"], "mv": [1.0]}')
@example(b'{"t": "e", "n": "a", "mk": ["k", "l"], "mv": [1e400, -1e400]}')
@example(b'{"t": "e", "n": "a", "mk": ["k"], "mv": [9007199254740993, 1e16, 1e21, 1e-7]}')
@example(b'{"t": "e", "n": "\\ud800"}')
@example(b'{"t": "e", "n": "\\uDBFF\\uDFFF\\uDFFF\\uD800"}')
@example(b'{"t": "e", "n": "\\\\ud800\\\\\\ud800\\\\\\\\udc00"}')
@example(b'{"t": "e", "n": "a\x00\x00\\ud800"}')
@example(b'{"t": "e", "n": "a", "\\ud800": "\\udc00\\q"}')
@example(b'{"t": "e", "n": "a", "x": "\\ud800", "ra": 1.}')
@example(b'{"t": "e", "n": "a\x01"}')
@example(b'{"t": "e", "n": "\xff"}')
@example(b'{"t": "e", "n": "a", "x": "\xed\xa0\x80"}')
@example(b'\xef\xbb\xbf{"t": "e", "n": "a"}')
@example(b'\xef\xbb\xbf\xef\xbb\xbf{"t": "e", "n": "a"}')
@example(b'{"t": "e", "n": "a", "ra": ' + b"9" * 5000 + b"}")
@example(b'{"t": "e", "n": "a", "mk": ["k", "l"], "mv": [' + b"9" * 5000 + b", 5]}")
@example(b'{"t": "e", "n": "a", "s": [' + b"1," * 1000 + b'1], "d": {"a": [' + b"1," * 1000 + b"1]}}")
def test_a_body_means_what_python_reads_in_it(body: bytes) -> None:
    """WIRE-8, REV-1: both read the same event with the same notes, or both reject it."""
    assert meaning(body) == expected(body)


@pytest.mark.parametrize("place", ['"x":', '"mk":', '"ra":', '"n":'])
@pytest.mark.parametrize("depth", [900, 960, 980, 990, 1100, 100_000])
def test_no_depth_is_a_fault(place: str, depth: int) -> None:
    """WIRE-8: any depth gives an event or a reason, and no other exception, in the live view neither."""
    body = f'{{"t":"e","n":"a","mv":["v"],{place}{"[" * depth}{"]" * depth}}}'.encode()
    try:
        payload = decode(body)
        event = normalise(payload)
        shown(payload, ROW, event.notes)
        reason = ""
    except Rejected as error:
        reason = str(error)
    no_name = "n must be the name of the event, a non-empty string"
    assert reason in ("", "the body is nested too deeply", no_name if place == '"n":' else "")


def test_an_unknown_member_may_hold_any_number() -> None:
    """WIRE-6: an unknown member is ignored, whatever its size."""
    number = b"1e99999999999999999999"
    assert decode(b'{"t": "e", "n": "a", "x": ' + number + b"}") == {"t": "e", "n": "a"}
