"""The mix of a load run: what visitors send, drawn from ``load/mix.toml``."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from conformance.load.fingerprint import CHECKSUM_KEY, NONCE_KEY, Nonce, checksum, plain
from conformance.paths import bundled

# PROP-2, PROP-3.
_PROPERTIES, _CHARACTERS = 30, 2_000
_VISIT = "abcdefghijklmnopqrstuvwxyz0123456789"
_EVENT = {"weight", "name", "properties", "amounts", "currencies", "fill"}


class BadMix(ValueError):
    """A mix that cannot be read; the message names file and place."""


class RequestKind(StrEnum):
    """What a request is: an event, a pageview, or nothing that may be accepted."""

    EVENT = "e"
    PAGEVIEW = "p"
    MALFORMED = "m"


@dataclass(frozen=True, slots=True)
class GeneratedRequest:
    """One request to be sent. A pageview has no nonce: its row is not documented, so it is not followed."""

    kind: RequestKind
    body: bytes
    number: int = -1


@dataclass(frozen=True, kw_only=True)
class Template:
    """An event of the mix. ``currencies`` may hold an empty text: then none is sent."""

    name: str
    properties: Mapping[str, Sequence[str]]
    amounts: Sequence[str] = ()
    currencies: Sequence[str] = ("",)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Templates with their cumulative weights, and the shares of 1,000 that are no events."""

    events: Sequence[Template]
    weights: Sequence[float]
    malformed: Sequence[str]
    malformed_weights: Sequence[float]
    pageviews: int
    bad: int


def read(path: Path | None = None) -> Mix:
    """Read a mix; without a path, the bundled one. Raises BadMix."""
    place = path or bundled("load/mix.toml")
    try:
        data = tomllib.loads(place.read_text(encoding="utf-8"))
        events = [_template(row) for row in data["event"]]
        bad = data.get("malformed", [])
        share = data.get("share", {})
        mix = Mix(
            events=events,
            weights=list(accumulate(float(row["weight"]) for row in data["event"])),
            malformed=[str(row["body"]) for row in bad],
            malformed_weights=list(accumulate(float(row["weight"]) for row in bad)),
            pageviews=int(share.get("pageviews", 0)),
            bad=int(share.get("malformed", 0)) if bad else 0,
        )
    except KeyError as error:
        raise BadMix(f"{place}: {error} is missing") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadMix(f"{place}: {error}") from error
    if not 0 <= mix.pageviews + mix.bad < 1000 or mix.weights[-1] <= 0:
        raise BadMix(f"{place}: the shares must leave room for events, whose weights must not all be 0")
    return mix


def _template(row: Mapping[str, Any]) -> Template:
    if unknown := set(row) - _EVENT:
        raise ValueError(f"event {row.get('name')!r}: {', '.join(sorted(unknown))} is no member of an event")
    properties: dict[str, list[str]] = {k: list(v) for k, v in row.get("properties", {}).items()}
    if fill := row.get("fill"):
        properties = {f"p{i}": ["x" * fill["characters"]] for i in range(fill["properties"])}
    for amount in row.get("amounts", ()):
        if not _is_plain(amount):
            raise ValueError(
                f"event {row['name']!r}: amount {amount!r}: write a plain decimal, such as 49.99"
            )
    return Template(
        name=row["name"],
        properties=properties,
        amounts=tuple(row.get("amounts", ())),
        currencies=tuple(row.get("currencies", ("",))),
    )


def _is_plain(text: str) -> bool:
    try:
        return plain(Decimal(text)) == text
    except InvalidOperation:
        return False


class EventGenerator:
    """Draws what one sender sends, request by request; the same seed draws the same but for the nonces."""

    def __init__(
        self, mix: Mix, *, run: str, name: str, seed: int, envelope: Mapping[str, Any] | None = None
    ) -> None:
        self._mix = mix
        self._run = run
        self._name = name
        self._random = Random(seed)  # noqa: S311 - traffic, not secrets
        # What every payload of this run has: the closing part of its JSON.
        self._tail = json.dumps(dict(envelope or {}))[1:-1]
        self._next = 0

    def visit(self) -> "Visit":
        """A new visitor's tab."""
        return Visit(self, self._random)

    def shot(self, visit: "Visit") -> GeneratedRequest:
        """The next request of a visit: it begins with a pageview."""
        drawn = self._random.randrange(1000)
        if self._mix.pageviews and (visit.pageview == "" or drawn < self._mix.pageviews):
            visit.enter()
            return GeneratedRequest(RequestKind.PAGEVIEW, self._closed('{"t":"p"', visit))
        if self._mix.pageviews <= drawn < self._mix.pageviews + self._mix.bad:
            return self._malformed()
        return self._event(visit)

    def text(self, shot: GeneratedRequest) -> str:
        """The nonce of a shot, as it was sent."""
        return Nonce(self._name, shot.number).text(self._run)

    def _event(self, visit: "Visit") -> GeneratedRequest:
        draw = self._random
        [event] = draw.choices(self._mix.events, cum_weights=self._mix.weights)
        nonce = self._nonce()
        pairs = [(key, draw.choice(values)) for key, values in event.properties.items()]
        amount = draw.choice(event.amounts) if event.amounts else ""
        currency = draw.choice(event.currencies) if amount else ""
        kept = [(key, value[:_CHARACTERS]) for key, value in pairs[: _PROPERTIES - 2]]
        mark = checksum(
            name=event.name,
            keys=(NONCE_KEY, *(key for key, _ in kept)),
            values=(nonce, *(value for _, value in kept)),
            amount=amount,
            currency=(currency or "USD") if amount else "",  # REV-2
        )
        payload = {
            "t": "e",
            "n": event.name,
            "mk": [NONCE_KEY, CHECKSUM_KEY, *(key for key, _ in pairs)],
            "mv": [nonce, mark, *(value for _, value in pairs)],
        }
        head = json.dumps(payload, ensure_ascii=False)[:-1]
        if amount:
            head += f',"ra":{amount}' + (f',"rc":"{currency}"' if currency else "")
        return GeneratedRequest(RequestKind.EVENT, self._closed(head, visit), self._next - 1)

    def _malformed(self) -> GeneratedRequest:
        [body] = self._random.choices(self._mix.malformed, cum_weights=self._mix.malformed_weights)
        return GeneratedRequest(
            RequestKind.MALFORMED, body.replace("{token}", self._nonce()).encode(), self._next - 1
        )

    def _nonce(self) -> str:
        self._next += 1
        return Nonce(self._name, self._next - 1).text(self._run)

    def _closed(self, head: str, visit: "Visit") -> bytes:
        tail = f",{self._tail}" if self._tail else ""
        return f'{head},"s":"{visit.session}","p":"{visit.pageview}"{tail}}}'.encode()


class Visit:
    """A tab: one session, and pageviews to which events are linked (STORE-4)."""

    def __init__(self, sender: EventGenerator, random: Random) -> None:
        self._sender = sender
        self._random = random
        self.session = self._id()
        self.pageview = ""

    def enter(self) -> None:
        """See another page; after some of them it is another visitor's tab."""
        if self._random.random() < 0.2:
            self.session = self._id()
        self.pageview = self._id()

    def __iter__(self) -> Iterator[GeneratedRequest]:
        while True:
            yield self._sender.shot(self)

    def _id(self) -> str:
        return "".join(self._random.choices(_VISIT, k=16))
