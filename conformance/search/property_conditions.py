"""Conditions on properties and amounts that apply to the wire and the store alike.

Each returns True if it applied to the example, and raises Violation if the requirement is violated.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from conformance.protocol.matching import describe
from conformance.protocol.outcomes import Violation
from conformance.protocol.requirements import Level
from conformance.search import model
from conformance.search.model import Entry, ValueKind
from conformance.search.observation import Pairs

Condition = Callable[[Sequence[Entry], Pairs], bool]


def order_and_pairing(entries: Sequence[Entry], pairs: Pairs) -> bool:
    """PROP-1: up to 30 properties arrive in order, each text under its own key."""
    if not entries or len(entries) > model.PROPERTY_LIMIT or any(entry.bent_key for entry in entries):
        return False
    matched = _required_match(entries, pairs)
    return _values(matched, ValueKind.TEXT) or any(not entry.optional for entry in entries)


def first_thirty(entries: Sequence[Entry], pairs: Pairs) -> bool:
    """PROP-2: of more than 30 properties the first 30 arrive."""
    if len(entries) <= model.PROPERTY_LIMIT or any(entry.bent_key for entry in entries):
        return False
    if len(pairs) > model.PROPERTY_LIMIT:
        raise Violation(f"expected at most {model.PROPERTY_LIMIT} properties, got {len(pairs)}")
    _required_match(entries, pairs)
    return True


def cut_values(entries: Sequence[Entry], pairs: Pairs) -> bool:
    """PROP-3: values longer than 2,000 characters are cut to their first 2,000."""
    for key, value in pairs:
        if isinstance(value, str) and len(value) > model.VALUE_LIMIT:
            raise Violation(f"the value of {describe(key)} has {len(value)} characters: {describe(value)}")
    return _values(_matched(entries, pairs), ValueKind.LONG)


def simple_values(entries: Sequence[Entry], pairs: Pairs) -> bool:
    """PROP-4: numbers and booleans become the text that JavaScript prints for them."""
    return _values(_matched(entries, pairs), ValueKind.SIMPLE)


def nothing_but_text(entries: Sequence[Entry] | None, pairs: Pairs) -> bool:
    """PROP-5: keys and values of every type become strings."""
    for member in (member for pair in pairs for member in pair):
        if not isinstance(member, str):
            raise Violation(f"expected only strings in keys and values, got {describe(member)}")
    if entries is None or len(entries) > model.PROPERTY_LIMIT:
        return bool(pairs)
    keys = [key for key, _ in pairs]
    for entry in entries:
        if (
            entry.kind is ValueKind.OTHER
            and not entry.optional
            and not entry.bent_key
            and entry.key not in keys
        ):
            raise Violation(f"the property {describe(entry.key)} is missing; it must become a string")
    return any(entry.kind is ValueKind.OTHER for entry in entries)


def well_formed(entries: Sequence[Entry] | None, pairs: Pairs) -> bool:
    """PROP-6: lone surrogates become U+FFFD, and no pair is split."""
    for member in (member for pair in pairs for member in pair):
        if isinstance(member, str) and model.ill_formed(member):
            raise Violation(f"ill-formed text: {describe(member)}")
    if entries is None:
        return False
    if len(entries) <= model.PROPERTY_LIMIT and any(entry.bent_key for entry in entries):
        _required_match(entries, pairs)
    return _values(_matched(entries, pairs), ValueKind.BENT) or any(entry.bent_key for entry in entries)


def exact_amount(amount: Decimal | None, found: Any, level: Level) -> bool:
    """REV-1: an amount that the requirement binds at this level is kept exactly."""
    if amount is None or model.binding(amount) is not level:
        return False
    if isinstance(found, bool) or not isinstance(found, Decimal) or found != amount:
        raise Violation(f"expected the amount {amount:f}, got {describe(found)}")
    return True


def refund(amount: Decimal, found: Any) -> bool:
    """REV-6: an amount of zero or below is kept exactly, if REV-1 binds it as a MUST."""
    return exact_amount(amount, found, Level.MUST)


def _values(matched: Sequence[tuple[Entry, Any]], kind: ValueKind) -> bool:
    own = [(entry, value) for entry, value in matched if entry.kind is kind and entry.texts is not None]
    for entry, value in own:
        assert entry.texts
        if (
            isinstance(value, str)
            and value not in entry.texts
            and not (kind is not ValueKind.BENT and model.ill_formed(value))
        ):
            wanted = " or ".join(sorted(describe(text) for text in entry.texts))
            raise Violation(f"the value of {describe(entry.key)}: expected {wanted}, got {describe(value)}")
    return bool(own)


def _required_match(entries: Sequence[Entry], pairs: Pairs) -> Sequence[tuple[Entry, Any]]:
    matched = align(entries, pairs)
    if matched is None:
        first = entries[: model.PROPERTY_LIMIT]
        wanted = [entry.key if entry.key is not None else "…" for entry in first]
        raise Violation(f"expected the keys {describe(wanted)}, got {describe([key for key, _ in pairs])}")
    return matched


def _matched(entries: Sequence[Entry], pairs: Pairs) -> Sequence[tuple[Entry, Any]]:
    """Return entries with their values; nothing if the keys differ, which is left to PROP-1 and PROP-2."""
    return align(entries, pairs) or ()


def align(entries: Sequence[Entry], pairs: Pairs) -> list[tuple[Entry, Any]] | None:
    """Return each pair's value with the entry that it came from, in order; None if that is impossible.

    An entry may lack a pair if it is optional, after 30 pairs, or beyond the first 30 entries. Of several
    alignments the one with the fewest wrong values is taken.
    """
    # From the last pair to the first: for each place among the entries, the alignment with the fewest faults.
    best: list[tuple[int, list[tuple[Entry, Any]]] | None]
    best = [
        (0, []) if _may_end(entries[place:], place, len(pairs)) else None for place in range(len(entries) + 1)
    ]
    for key, value in reversed(pairs):
        now: list[tuple[int, list[tuple[Entry, Any]]] | None] = [None] * (len(entries) + 1)
        for place in range(len(entries) - 1, -1, -1):
            entry, rest = entries[place], best[place + 1]
            take = None
            if rest and entry.key in (key, None):
                amiss = entry.texts is not None and isinstance(value, str) and value not in entry.texts
                take = (rest[0] + amiss, [(entry, value), *rest[1]])
            skip = now[place + 1] if entry.optional else None
            options = [option for option in (take, skip) if option]
            now[place] = min(options, key=lambda option: option[0]) if options else None
        best = now
    return best[0][1] if best[0] else None


def _may_end(rest: Sequence[Entry], place: int, sent: int) -> bool:
    if sent >= model.PROPERTY_LIMIT:
        return True
    return all(entry.optional or place + n >= model.PROPERTY_LIMIT for n, entry in enumerate(rest))
