"""The documentation's advice, looked for in a site's events (LINT-1 to LINT-5)."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from conformance.site.events import Event
from conformance.site.names import folded, quoted

_MANY, _SHARE = 50, 0.8
_PERSONAL = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "UUIDs": re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE),
    "timestamps": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|1\d{9}(\d{3})?"),
}
# Last words that are variants of one event. An action as the last word ("Video Play") makes no variant.
_VARIANT_WORDS = """
    free basic starter plus pro premium business team enterprise trial monthly yearly annual lifetime small
    medium large top bottom left right header footer hero sidebar navbar mobile desktop tablet ios android web
    red green blue black white control variant one two three
"""
_VARIANTS = frozenset(_VARIANT_WORDS.split())
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One piece of advice: the requirement's id, the event that it is about, and the text."""

    rule: str
    event: str
    text: str


def advice(events: Sequence[Event]) -> tuple[Advice, ...]:
    """Return the advice about these events, in the order of the rules."""
    names = sorted({event.name for event in events})
    return (*alike(names), *variants(names), *_values(events), *_remarks(events))


def alike(names: Iterable[str]) -> Iterator[Advice]:
    """Yield advice on names that differ only in case, spacing or Unicode form (LINT-1)."""
    for group in _groups(names, folded):
        if len(group) > 1:
            others = ", ".join(map(quoted, group[1:]))
            what = "case or spacing" if len({_spaced(name) for name in group}) == 1 else "their Unicode form"
            text = f"{quoted(group[0])} and {others} differ only in {what}, and are different events"
            yield Advice(rule="LINT-1", event=group[0], text=text)


def variants(names: Iterable[str]) -> Iterator[Advice]:
    """Yield advice on variants that are spelt into names (LINT-2)."""
    for group in _groups(names, lambda name: " ".join(_words(name)[:-1])):
        last = [_words(name)[-1] for name in group if len(_words(name)) > 1]
        if sum(word in _VARIANTS or word.isdecimal() for word in last) > 1:
            listed = ", ".join(map(repr, group))
            text = f"{listed} look like variants of one event: use one name and a property for the variant"
            yield Advice(rule="LINT-2", event=group[0], text=text)


def _values(events: Sequence[Event]) -> Iterator[Advice]:
    """Yield advice on properties whose values are ids, addresses or times (LINT-3)."""
    values: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in events:
        for key, value in event.properties.items():
            values[event.name, key].append(value)
    for (name, key), all_ in values.items():
        different = set(all_)
        kind = next((k for k, p in _PERSONAL.items() if _mostly(p, different)), "")
        if not kind and len(different) >= _MANY and len(different) >= _SHARE * len(all_):
            kind = f"{len(different)} different values in {len(all_)} events"
        if kind:
            text = f"property {key!r} has {kind}: use values out of a small set"
            yield Advice(rule="LINT-3", event=name, text=text)


def _mostly(pattern: re.Pattern[str], values: set[str]) -> bool:
    matching = sum(bool(pattern.fullmatch(value)) for value in values)
    return bool(matching) and matching >= _SHARE * len(values)


def _remarks(events: Iterable[Event]) -> Iterator[Advice]:
    """Yield the remarks of the payloads, each once (LINT-4, LINT-5)."""
    found = {(event.name, remark): None for event in events for remark in event.remarks}
    for name, remark in found:
        yield Advice(rule="LINT-4" if "LINT-4" in remark else "LINT-5", event=name, text=remark)


def _spaced(name: str) -> str:
    return "".join(name.casefold().split())


def _groups(names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return list(groups.values())


def _words(name: str) -> list[str]:
    """Return the words of a name, however they are joined; a name without words is one word."""
    return [word.casefold() for word in _WORDS.findall(_CAMEL.sub(" ", name))] or [name]
