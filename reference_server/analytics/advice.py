"""Checks of a site's events against the documentation's best practices (LINT-1 to LINT-5)."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reference_server.analytics.listings import names as names_of
from reference_server.analytics.lookalikes import skeleton
from reference_server.analytics.results import Advice
from reference_server.analytics.rollup_query import Source
from reference_server.event import Note, NoteCode
from reference_server.storage.rollups import PROPERTIES

_MOST_NAMES, _MOST_PROPERTIES = 1000, 50
# Bytes. Longer names and keys get no advice: comparing a thousand of them would delay events.
_LONGEST_BYTES = 500


def _list(words: str) -> frozenset[str]:
    return frozenset(words.split())


# "Video Play" is an object and an action on it, so "Play" makes no variant; "Signup Pro" is an action and a
# variant of it.
_ACTS = _list(
    """add book buy call cancel change checkout clear click close complete copy create delete donate
    donation download edit end error expand export fail filter finish follow hover import install invite join
    leave like login logout mute open order pause pay payment play print purchase read register registration
    remove rename reply reset resume save scroll search seek select send share show signin signout signup skip
    sort start stop submit subscribe subscription subscriptions success swipe switch tap toggle unlike unmute
    unsubscribe update upgrade upload use view visit vote watch zoom in out up down off on"""
)
_VARIANTS = _list(
    """free basic starter plus pro premium business team enterprise trial monthly yearly annual lifetime small
    medium large top bottom left right header footer hero sidebar navbar mobile desktop tablet ios android web
    red green blue black white control variant a b c en de fr es one two three"""
)
_SPACING = (
    "These names differ only in case or spacing, and count as different events: use the same name everywhere."
)
_LOOKALIKE = (
    "These names look alike but have different characters, such as letters of another alphabet or invisible "
    "ones, and count as different events: use the same name everywhere."
)
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_PROPERTIES = r"""
SELECT name, key, sum(count) AS total, uniqExact(value) AS different,
    uniqExactIf(value, match(value, '^[^@\s]+@[^@\s]+\.[^@\s]+$')) AS addresses,
    uniqExactIf(value, match(value, '(?i)^\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$')) AS uuids,
    uniqExactIf(value, match(value, '^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d|1\d{9}(\d{3})?$)')) AS times
FROM {rollup_properties}
WHERE length(name) <= {most:UInt32} AND length(key) <= {most:UInt32}
    AND ({all:Bool} OR name IN (SELECT name FROM asked))
GROUP BY name, key
HAVING (different >= 50 AND different >= 0.8 * total)
    OR (different >= 2 AND greatest(addresses, uuids, times) >= 0.8 * different)
ORDER BY total DESC, name, key LIMIT {limit:UInt32}
"""


def advice(source: Source, only: Iterable[str] = ()) -> tuple[Advice, ...]:
    """Return the advice for the events of a range, on names of at most 500 bytes.

    If ``only`` is given, the advice is about these names; they may be too recent to be stored.
    """
    given = set(only)
    wanted = {name for name in given if len(name.encode()) <= _LONGEST_BYTES}
    if given and not wanted:
        return ()
    seen = names_of(source, limit=_MOST_NAMES, longest=_LONGEST_BYTES)
    names = about_names({*seen, *wanted})
    about = (each for each in names if not wanted or wanted.intersection(each.names))
    return (*about, *_about_properties(source, wanted))


def about_names(names: Iterable[str]) -> tuple[Advice, ...]:
    """Return the advice for names of events (LINT-1 and LINT-2)."""
    names = sorted(names)
    return (*_look_alikes(names), *_spelt_variants(names))


def _look_alikes(names: Iterable[str]) -> Iterable[Advice]:
    for alike in _grouped(names, skeleton):
        if len(alike) > 1:
            same = len({"".join(name.casefold().split()) for name in alike}) == 1
            yield Advice(
                rule="LINT-1",
                text=_SPACING if same else _LOOKALIKE,
                names=tuple(alike),
            )


def _spelt_variants(names: Iterable[str]) -> Iterable[Advice]:
    for group in _grouped(names, lambda name: " ".join(_words(name)[:-1])):
        first = _words(group[0])[:-1]
        last = {_words(name)[-1] for name in group if first and not _tells_an_act(_words(name)[-1])}
        known = sum(word in _VARIANTS or word.isdecimal() for word in last)
        if len(last) > 1 and (known > 1 or first[-1] in _ACTS):
            yield Advice(
                rule="LINT-2",
                text="These look like variants of one event: use one name, and a property for the variant.",
                names=tuple(name for name in group if _words(name)[-1] in last),
            )


def _about_properties(source: Source, only: Collection[str]) -> Iterable[Advice]:
    for name, key, _, different, addresses, uuids, times in source.ask(
        _PROPERTIES,
        PROPERTIES,
        names=only,
        all=not only,
        most=_LONGEST_BYTES,
        limit=_MOST_PROPERTIES,
    ):
        most, kind = max((addresses, "e-mail addresses"), (uuids, "UUIDs"), (times, "timestamps"))
        what = kind if most >= 0.8 * different else "nearly as many values as events"
        yield Advice(
            rule="LINT-3",
            text=f"This property has {what} ({different} different): it makes a row for each. "
            "Use values out of a small set.",
            names=(name, key),
        )


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    groups = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return list(groups.values())


def _words(name: str) -> list[str]:
    """Return the words of a name, in whatever way they are joined; a name without words is one word."""
    return [word.casefold() for word in _WORDS.findall(_CAMEL.sub(" ", name))] or [name]


def _tells_an_act(word: str) -> bool:
    return word in _ACTS or word.endswith(("ed", "ing"))


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Advice about a single event, with the rule on which it is based (LINT-4, LINT-5)."""

    rule: str
    text: str


def remarks(payload: Mapping[str, Any], notes: Iterable[Note]) -> list[Remark]:
    """Return advice about one event as it arrives (LINT-4, LINT-5)."""
    found = []
    if "ra" in payload and (isinstance(payload["ra"], bool) or not isinstance(payload["ra"], int | Decimal)):
        text = "Pass the amount as a number, 49.99, without a currency symbol; the currency is rc."
        found.append(Remark(rule="LINT-4", text=text))
    if any(note.code in (NoteCode.CUT, NoteCode.TOO_MANY) for note in notes):
        text = "Data beyond the limits is dropped silently: 30 properties, 2,000 characters per value."
        found.append(Remark(rule="LINT-5", text=text))
    return found
