"""Shrinking of an example that violates a condition; works on the example itself, not on Hypothesis's draws.

Candidates come most drastic first: without parts, then halves, then single members, then with simpler texts
and numbers. The first that is smaller and still violates the condition replaces the example, until no
candidate does.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from typing import Any, TypeVar

from conformance.search.bodies import Body, written
from conformance.search.calls import Call, Value, distinct
from conformance.search.observation import Example, size_of

T = TypeVar("T")

_TOKEN = "{token}"  # noqa: S105 - a place in a name, not a secret
_PLAIN = "x"
# One for each width in UTF-8, and half a pair: enough to reproduce a fault about characters.
_CHARACTERS = (_PLAIN, "\x80", "\u0800", "\U00010000", "\ud800")
_EMPTY = Value(kind="string", of="")
_LETTERS = "xabcdefghijklmnopqrstuvwyz"  # in the order of size_of
_KEYS = (*_LETTERS, *(first + second for first in _LETTERS for second in _LETTERS))


def smallest(example: Example, breaks: Callable[[Example], bool | None]) -> Example:
    """Return the smallest example found for which ``breaks`` returns True; its None ends the search.

    ``breaks`` gets no example twice, and only examples smaller than the last one that violated.
    """
    tried = {example.identity}
    current, found = example, True
    while found:
        found = False
        for candidate in _simpler(current):
            if candidate.identity in tried or not size_of(candidate) < size_of(current):
                continue
            tried.add(candidate.identity)
            answer = breaks(candidate)
            if answer is None:
                return current
            if answer:
                current, found = candidate, True
                break
    return current


def _simpler(example: Example) -> Iterator[Example]:
    return _simpler_calls(example) if isinstance(example, Call) else _simpler_bodies(example)


# ---- calls ----


def _simpler_calls(call: Call) -> Iterator[Call]:
    if call.revenue is not None:
        yield replace(call, revenue=None)
    if call.properties:
        yield replace(call, properties=())
    yield replace(call, name=_TOKEN)
    if isinstance(call.properties, tuple):
        yield replace(call, properties=distinct(call.properties))
        yield from (replace(call, properties=members) for members in _all_plain(call.properties))
        yield from (replace(call, properties=tuple(fewer)) for fewer in _fewer(call.properties))
    yield from (replace(call, name=name) for name in _texts(call.name))
    if isinstance(call.properties, tuple):
        yield from (replace(call, properties=members) for members in _simpler_members(call.properties))
    if isinstance(call.revenue, tuple):
        yield from (replace(call, revenue=tuple(fewer)) for fewer in _fewer(call.revenue))
        yield from (replace(call, revenue=members) for members in _plainer(call.revenue))


def _all_plain(members: tuple[tuple[str, Value], ...]) -> Iterator[tuple[tuple[str, Value], ...]]:
    """Yield members with all keys, or all values, replaced at once, which saves tries on 30 of them."""
    if len(members) <= len(_KEYS):
        yield tuple((plain, value) for plain, (_, value) in zip(_KEYS, members, strict=False))
    yield tuple((key, _EMPTY) for key, _ in members)


def _simpler_members(members: tuple[tuple[str, Value], ...]) -> Iterator[tuple[tuple[str, Value], ...]]:
    for start, stop in _parts(len(members)):
        yield tuple((key, _EMPTY if start <= n < stop else value) for n, (key, value) in enumerate(members))
    yield from _plainer(members)
    taken = {key for key, _ in members}
    for number, (key, value) in enumerate(members):
        names = (n for n in chain(_KEYS[: len(members)], _texts(key)) if n and n not in taken)
        yield from (_with(members, number, (name, value)) for name in names)


def _plainer(members: tuple[tuple[str, Value], ...]) -> Iterator[tuple[tuple[str, Value], ...]]:
    for number, (key, value) in enumerate(members):
        yield from (_with(members, number, (key, simple)) for simple in _simpler_values(value))


def _simpler_values(value: Value) -> Iterator[Value]:
    if value.kind == "string":
        yield from (Value(kind="string", of=text) for text in _texts(value.of))
        return
    if value.kind == "number":
        yield from (Value(kind="number", of=float(number)) for number in _numbers(value.of))
        return
    yield Value(kind="string", of=_PLAIN)


# ---- bodies ----


def _simpler_bodies(body: Body) -> Iterator[Body]:
    value, whole = _read(body.data)
    if whole:
        yield from map(written, _simpler_json(value))
        return
    if isinstance(value, dict):
        yield written(value)
    texts = _texts(body.data.decode("latin-1"))
    yield from (Body(text.encode("latin-1")) for text in texts if max(text, default="") < "\u0100")


def _read(data: bytes) -> tuple[Any, bool]:
    """Return a body's JSON, and True if writing it gives the same bytes; (None, False) without valid JSON."""
    try:
        value = json.loads(data)
        texts = (json.dumps(value, ensure_ascii=False, separators=s) for s in ((",", ":"), (", ", ": ")))
        return value, data in {*(text.encode("utf-8", "replace") for text in texts), written(value).data}
    except (ValueError, RecursionError):
        return None, False


def _simpler_json(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            yield from _simpler_objects(value)
        case list():
            yield from map(list, _fewer(value))
            for number, member in enumerate(value):
                yield from (
                    [*value[:number], simple, *value[number + 1 :]] for simple in _simpler_json(member)
                )
        case str():
            yield from _texts(value)
        case bool() | None:
            return
        case int() | float():
            yield from _numbers(value)


def _simpler_objects(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from map(dict, _fewer(tuple(value.items())))
    keys, values = value.get("mk"), value.get("mv")
    if isinstance(keys, list) and isinstance(values, list) and len(keys) == len(values):
        for pairs in _fewer(list(zip(keys, values, strict=True))):
            yield {**value, "mk": [key for key, _ in pairs], "mv": [text for _, text in pairs]}
    for name, member in value.items():
        # The survival of a blank key is open (PROP-8), so that candidates must not gain one.
        simpler = (m for m in _simpler_json(member) if name != "mk" or _blank(m) <= _blank(member))
        yield from ({**value, name: simple} for simple in simpler)


def _blank(keys: Any) -> int:
    return keys.count("") if isinstance(keys, list) else 0


# ---- members, texts, numbers ----


def _fewer(members: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield sequences without all, a half, a quarter, and so on down to a single member."""
    for start, stop in _parts(len(members)):
        yield [*members[:start], *members[stop:]]


def _parts(length: int) -> Iterator[tuple[int, int]]:
    size = length
    while size:
        yield from ((start, start + size) for start in range(0, length, size))
        size //= 2


def _with(members: tuple[T, ...], number: int, member: T) -> tuple[T, ...]:
    return (*members[:number], member, *members[number + 1 :])


def _texts(text: str) -> Iterator[str]:
    """Yield shorter and plainer texts; the token's placeholder stays."""
    parts = text.split(_TOKEN)
    for number, part in enumerate(parts):
        for shorter in _shorter(part):
            yield _TOKEN.join([*parts[:number], shorter, *parts[number + 1 :]])


def _shorter(text: str) -> Iterator[str]:
    """Yield texts of fewer, shorter and plainer runs of a character, because long texts are mostly runs."""
    runs = [(character, len(list(members))) for character, members in groupby(text)]
    yield from map(_of_runs, _fewer(runs))
    if set(text) - {_PLAIN}:
        yield _PLAIN * len(text)
    for number, (character, length) in enumerate(runs):
        put = partial(_with, tuple(runs), number)
        yield from (_of_runs(put((character, fewer))) for fewer in _lengths(length))
        if character != _PLAIN:
            yield from (_of_runs(put((plain, length))) for plain in _CHARACTERS)


def _of_runs(runs: Sequence[tuple[str, int]]) -> str:
    return "".join(character * length for character, length in runs)


def _lengths(length: int) -> Iterator[int]:
    """Yield smaller lengths, most drastic first: 1, then less a half, less a quarter, and so on."""
    if length > 1:
        yield 1
    step = length // 2
    while step:
        yield length - step
        step //= 2


def _numbers(number: float) -> Iterator[float]:
    if not math.isfinite(number):
        return
    yield from (0, 1)
    if number < 0:
        yield -number
    if number != int(number):
        yield from (int(number), round(number, 1), round(number, 2), round(number, 4))
        return
    yield from (int(math.copysign(less, number)) for less in _lengths(abs(int(number))))
