"""Two ways to read a body, a quick one and an exact one: nobody can tell which of them was taken."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from reference_server.ingest import _decode, decode
from reference_server.normalise import Rejected, normalise

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
    """Bodies of events, some of them with a part that is broken, and numbers as they are written."""
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


def meaning(read: Any, body: bytes) -> Any:
    """The event that a body means, with its notes, or that it means none."""
    try:
        event = normalise(read(body))
    except Rejected:
        return Rejected
    return event, event.notes


@given(bodies())
@example(b'{"t": "e", "n": "a", "ra": 12345678901234567.89}')
@example(b'{"t": "e", "n": "a", "ra": 1e400}')
@example(b'{"t": "e", "n": "a", "n": "b", "mk": ["k"], "mv": [1.0]}')
@example(b'{"t": "e", "n": "\\ud800"}')
@example(b'{"t": "e", "n": "a\x01"}')
@example(b'{"t": "e", "n": "\xff"}')
@example(b'\xef\xbb\xbf{"t": "e", "n": "a"}')
@example(b'{"t": "e", "n": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"t": "e", "n": "a", "ra": ' + b"9" * 5000 + b"}")
@example(b'{"t": "e", "n": "a", "mk": ["k"], "mv": [1e999999999999999999999]}')
def test_both_ways_mean_the_same(body: bytes) -> None:
    """WIRE-8, REV-1: the same event and the same notes, or neither of them takes it."""
    assert meaning(decode, body) == meaning(_decode, body)
