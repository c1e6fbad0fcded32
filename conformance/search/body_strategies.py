"""Strategies of request bodies for a server: those of trackers, near misses, and malformed ones."""

from typing import Any

from hypothesis import strategies as st

from conformance.search.bodies import Body, written
from conformance.search.strategies import (
    cents,
    evenly,
    fine_amounts,
    keys,
    long_texts,
    names,
    numbers,
    refunds,
    texts,
)

_EXTRA = ("x_d", "x_", "x_ts", "x_v", "x_screen", "x_nested", "ts", "screen")
_LITERALS = (
    *(b"{}", b"[]", b"null", b"", b"0", b'"{token}"', b"{", b'{"t":"e"}', b"\xff\xfe{\x00}\x00", b"NaN"),
    b'{"t":"e","n":"{token}","ra":NaN}',
    b'{"t":"e","n":"{token}","ra":-Infinity}',
    b'{"t":"e","n":"{token}","ra":1e999}',
    b'{"t":"e","n":"{token}","n":"{token}"}',
    b'{"t":"e","n":"{token}","x":' + b"9" * 5000 + b"}",
    b'{"t":"e","n":"{token}","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'\xef\xbb\xbf{"t":"e","n":"{token}"}',
    b'{"t":"e","n":"{token}",}',
    b"{'t':'e','n':'{token}'}",
    b'{"t":"e","n":"{token}"} x',
    b'{"t":"e","n":"{token}\n"}',
)

_simple = evenly(st.integers(-100, 10**6), st.booleans(), cents)
_scalars = evenly(texts, _simple, st.integers(-(2**53), 2**53), numbers, st.none())
json_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=5,
)
_pairs = evenly(
    st.lists(st.tuples(keys, texts), max_size=4),
    st.lists(st.tuples(keys, long_texts()), min_size=1, max_size=2),
    st.integers(28, 36).map(lambda number: [(f"k{n}", f"v{n}") for n in range(number)]),
)
_money = st.fixed_dictionaries(
    {"ra": evenly(cents, st.integers(-1000, 10**6), fine_amounts, refunds)},
    optional={"rc": st.sampled_from(("EUR", "USD", "JPY", "eur"))},
)
_extras = st.dictionaries(st.sampled_from(_EXTRA), json_values, max_size=2)


def _payload(
    name: str, pairs: list[tuple[str, str]], money: dict[str, Any], extra: dict[str, Any]
) -> dict[str, Any]:
    return {"t": "e", "n": name, "mk": [k for k, _ in pairs], "mv": [v for _, v in pairs], **money, **extra}


good = st.builds(_payload, names, _pairs, evenly(st.just({}), _money, _money), evenly(st.just({}), _extras))
_uneven = st.fixed_dictionaries(
    {"mk": st.lists(st.one_of(keys, json_values), max_size=4), "mv": st.lists(json_values, max_size=4)}
)
# Values of every type, with well-formed keys.
_typed = st.lists(st.tuples(keys, evenly(_simple, json_values)), min_size=1, max_size=4).map(
    lambda pairs: {"mk": [key for key, _ in pairs], "mv": [value for _, value in pairs]}
)
_no_lists = st.fixed_dictionaries({}, optional={"mk": json_values, "mv": json_values})
_odd_money = st.fixed_dictionaries(
    {"ra": evenly(cents, json_values)},
    optional={"rc": evenly(st.sampled_from(("EU", "€", "")), json_values)},
)
_odd_name = st.fixed_dictionaries({"n": _scalars})
_odd_type = st.fixed_dictionaries({"t": json_values})
nearly = st.builds(
    lambda payload, bent: {**payload, **bent},
    st.builds(_payload, names, st.just([("plan", "pro")]), st.just({}), st.just({})),
    evenly(_typed, _typed, _typed, _uneven, _odd_money, _odd_money, _no_lists, _odd_name, _odd_type),
)


@st.composite
def _bent_bytes(draw: st.DrawFn) -> Body:
    """Draw a good request with one or two faults in its bytes."""
    data = draw(st.sampled_from(_MODELS))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("cut", "drop", "put", "twice"))):
            case "cut":
                data = data[:place]
            case "drop":
                data = data[:place] + data[place + 1 :]
            case "put":
                data = data[:place] + draw(st.binary(min_size=1, max_size=2)) + data[place:]
            case "twice":
                data = data[:place] + data[max(0, place - draw(st.integers(1, 8))) :]
    return Body(data)


_MODELS = (
    b'{"t":"e","n":"Signup {token}"}',
    b'{"t":"e","n":"Purchase {token}","mk":["plan"],"mv":["pro"],"ra":49.99,"rc":"EUR"}',
    '{"t":"e","n":"購入 {token}","mk":["größe","\\ud83d\\ude00"],"mv":["XL","😀"]}'.encode(),
)
_WAYS = ("good",) * 6 + ("nearly",) * 6 + ("bent",) * 3 + ("literal",)


@st.composite
def _bodies(draw: st.DrawFn) -> Body:
    """Draw bodies: mostly good and nearly good ones, because only these can leave rows."""
    match draw(st.sampled_from(_WAYS)):
        case "good":
            return written(draw(good))
        case "nearly":
            return written(draw(nearly))
        case "bent":
            return draw(_bent_bytes())
    return Body(draw(st.sampled_from(_LITERALS)))


bodies = _bodies()
