"""Request bodies: bytes to send, and their meaning according to the requirements."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Any, NoReturn, Self

from conformance.search import model, oddities
from conformance.search.model import Entry
from conformance.search.oddities import Odd

_DOCUMENTED = ("t", "n", "mk", "mv", "ra", "rc")
# Extra keys that no server uses itself (WIRE-6); it may refuse odd values of others (WIRE-8).
_OF_NO_USE = re.compile("x_")
_LARGEST = Decimal(10) ** 15
_LARGE = 200_000


class Meaning(StrEnum):
    """Meaning of a body according to the protocol."""

    EVENT = "event"
    NO_EVENT = "no event"  # WIRE-8: a 4xx
    OPEN = "open"  # another type, or input that no requirement is about


@dataclass(frozen=True)
class _Reading:
    meaning: Meaning
    members: Mapping[str, Any] = field(default_factory=dict)
    hostile: bool = False


@dataclass(frozen=True)
class Body:
    """A request body; ``{token}`` in it is a placeholder."""

    data: bytes

    def filled(self, token: str) -> bytes:
        """Return the bytes to send, with the token filled in."""
        return self.data.replace(b"{token}", token.encode())

    def to_json(self) -> dict[str, str]:
        """Return the body as JSON data: as text if it is UTF-8, else as base64."""
        try:
            return {"body": self.data.decode("utf-8")}
        except UnicodeDecodeError:
            return {"body_base64": base64.b64encode(self.data).decode()}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Self:
        """Return the body that ``to_json`` wrote."""
        if "body" in data:
            return cls(data["body"].encode())
        return cls(base64.b64decode(data["body_base64"]))

    @property
    def identity(self) -> str:
        """A text that is equal only for equal bodies."""
        return json.dumps(self.to_json())

    @cached_property
    def _read(self) -> "_Reading":
        twins = False

        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal twins
            twins = twins or len(dict(pairs)) < len(pairs)
            return dict(pairs)

        try:
            text = self.data.decode("utf-8")
            if text.startswith("\ufeff"):
                return _Reading(Meaning.OPEN, hostile=True)
            value = json.loads(
                text,
                parse_float=Decimal,
                parse_int=Decimal,
                parse_constant=_no_constant,
                object_pairs_hook=members,
            )
        except (RecursionError, InvalidOperation):
            return _Reading(Meaning.OPEN, hostile=True)
        except ValueError:
            return _Reading(Meaning.NO_EVENT)
        if twins:
            return _Reading(Meaning.OPEN, hostile=True)
        if isinstance(value, dict) and isinstance(value.get("t"), str) and value["t"] != "e":
            return _Reading(Meaning.OPEN, value, hostile=True)  # Other types have fields of their own.
        if not isinstance(value, dict) or not isinstance(value.get("n"), str) or not value["n"]:
            return _Reading(Meaning.NO_EVENT)
        hostile = "\\u0000" in text or len(text) > _LARGE or _has_huge_number(value)
        return _Reading(Meaning.EVENT if value.get("t") == "e" else Meaning.OPEN, value, hostile)

    @property
    def meaning(self) -> Meaning:
        """The meaning of the body according to the protocol."""
        return self._read.meaning

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of the payload, with numbers as Decimal; empty if the body is not an event."""
        return self._read.members

    @property
    def hostile(self) -> bool:
        """True if a 4xx is as good as a row (WIRE-8): duplicate keys, NUL, numbers out of bounds."""
        return self._read.hostile

    @property
    def plain(self) -> bool:
        """True if a conformant tracker could send the body (WIRE-6)."""
        keys, values = (self.members.get(name, []) for name in ("mk", "mv"))
        return (
            self.meaning is Meaning.EVENT
            and not self.oddities
            and len(keys) <= model.PROPERTY_LIMIT
            and all(isinstance(value, str) and model.units(value) <= model.VALUE_LIMIT for value in values)
        )

    @cached_property
    def oddities(self) -> frozenset[Odd]:
        """The parts of an event that no MUST is about; property values never count (PROP-4, PROP-5)."""
        found = {Odd.HOSTILE} if self.hostile else set()
        found |= oddities.of_texts(text for text in [self.members.get("n")] if isinstance(text, str))
        found |= self._odd_lists() | self._odd_money()
        if any(name not in _DOCUMENTED and not _OF_NO_USE.match(name) for name in self.members):
            found |= {Odd.EXTRA}
        return frozenset(found)

    def _odd_lists(self) -> set[Odd]:
        keys, values = (self.members.get(name, []) for name in ("mk", "mv"))
        found = oddities.of_keys(_texts_in(keys)) | oddities.of_texts(_texts_in(values))
        if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
            return found | {Odd.LISTS}
        fitting = all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys)
        return found if fitting else found | {Odd.LISTS}

    def _odd_money(self) -> set[Odd]:
        if "ra" not in self.members:
            return {Odd.AMOUNT} if "rc" in self.members else set()
        return oddities.of_amount(self.amount) | ({Odd.CURRENCY} if self.currency is None else set())

    @property
    def entries(self) -> list[Entry] | None:
        """The properties as they must be stored, in order; None if that is open."""
        if self.meaning is not Meaning.EVENT:
            return None
        keys, values = self.members.get("mk"), self.members.get("mv")
        if keys is None or values is None:
            return []
        if not isinstance(keys, list) or not isinstance(values, list):
            return None
        texts = [key for key in keys if isinstance(key, str)]
        alike = {key for key in texts if texts.count(key) > 1}
        pairs = zip(keys, values, strict=False)
        return [_entry(key, value, optional=isinstance(key, str) and key in alike) for key, value in pairs]

    @property
    def amount(self) -> Decimal | None:
        """The amount if it is a JSON number, else None."""
        amount = self.members.get("ra")
        return amount if isinstance(amount, Decimal) and amount.is_finite() else None

    @property
    def amount_is_open(self) -> bool:
        """True if the storing of an amount is open: numeric texts, and numbers of 10**15 or more."""
        given = self.members.get("ra")
        beyond = isinstance(given, Decimal) and given.copy_abs() >= _LARGEST
        return beyond or (isinstance(given, str) and any(c.isdecimal() for c in given))

    @property
    def currency(self) -> str | None:
        """The code that must be stored: the one given, or USD without one; None if it is open."""
        if "rc" not in self.members:
            return "USD"
        given = self.members["rc"]
        return given if model.is_code(given) else None


def written(payload: Mapping[str, Any]) -> Body:
    """Return the body of a payload, with lone surrogates as escapes."""
    text = json.dumps(payload, ensure_ascii=False)
    return Body("".join(c if not "\ud800" <= c <= "\udfff" else json.dumps(c)[1:-1] for c in text).encode())


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def _has_huge_number(value: Any) -> bool:
    match value:
        case Decimal():
            return len(value.as_tuple().digits) > 300 or abs(value.adjusted()) > 300
        case dict():
            return any(_has_huge_number(member) for member in value.values())
        case list():
            return any(_has_huge_number(member) for member in value)
    return False


def _entry(key: Any, value: Any, *, optional: bool) -> Entry:
    known = isinstance(key, str) and "\0" not in key
    name = key if known else "key"
    match value:
        case str():
            entry = model.text_entry(name, value)
        case bool():
            entry = model.simple_entry(name, "true" if value else "false")
        case Decimal() if _is_plain(value):
            entry = model.simple_entry(name, model.number_text(float(value)))
        case _:
            entry = model.other_entry(name, optional=False)
    return Entry(
        key=entry.key if known else None,
        kind=entry.kind,
        texts=entry.texts and without_nul(entry.texts),
        optional=entry.optional or optional or not known,
        bent_key=entry.bent_key,
    )


def _texts_in(value: Any) -> list[str]:
    """Return the texts among a list's members, or the text itself if there is one in place of a list."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def without_nul(texts: Iterable[str]) -> frozenset[str]:
    """Return the texts, and their forms in a store without NUL: removed, or as U+FFFD (WIRE-8)."""
    return frozenset(
        form for text in texts for form in (text, text.replace("\0", ""), text.replace("\0", "\ufffd"))
    )


def _is_plain(number: Decimal) -> bool:
    """Return True if the number has one text form (PROP-4); the forms of others are open."""
    few = number.is_finite() and (
        len(number.as_tuple().digits) <= 15 or (number == number.to_integral_value() and abs(number) < 2**53)
    )
    return few and model.number_text(float(number)) == str(number)
