"""The requests of a load run, drawn from a mix (``load/mix.toml``)."""

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

from conformance.load.fingerprint import CHECKSUM_KEY, NONCE_KEY, Nonce, checksum
from conformance.paths import bundled
from conformance.protocol.amounts import plain

# PROP-2, PROP-3.
_PROPERTIES, _CHARACTERS = 30, 2_000
_VISIT = "abcdefghijklmnopqrstuvwxyz0123456789"
_EVENT = {"weight", "name", "properties", "amounts", "currencies", "fill"}


class BadMix(ValueError):
    """A mix that cannot be read or is inconsistent; the message names the file and the place in it."""


class RequestKind(StrEnum):
    """The kind of a request: an event, a pageview, or malformed (it must be refused)."""

    EVENT = "e"
    PAGEVIEW = "p"
    MALFORMED = "m"


@dataclass(frozen=True, slots=True)
class GeneratedRequest:
    """One request to send. ``number`` is -1 for a pageview, which has no nonce: its row is not specified."""

    kind: RequestKind
    body: bytes
    number: int = -1


@dataclass(frozen=True, kw_only=True)
class Template:
    """An event of the mix. An empty text among ``currencies`` means that no currency is sent."""

    name: str
    properties: Mapping[str, Sequence[str]]
    amounts: Sequence[str] = ()
    currencies: Sequence[str] = ("",)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Templates with their cumulative weights; ``pageviews`` and ``bad`` are numbers in 1,000 requests."""

    events: Sequence[Template]
    weights: Sequence[float]
    malformed: Sequence[str]
    malformed_weights: Sequence[float]
    pageviews: int
    bad: int


def read(path: Path | None = None) -> Mix:
    """Read the mix at ``path``, or the bundled one. Raises BadMix."""
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
        raise BadMix(
            f"{place}: pageviews and malformed must be less than 1000 together, to leave room for events, "
            "and the weights of the events must not all be 0"
        )
    return mix


def _template(row: Mapping[str, Any]) -> Template:
    if unknown := set(row) - _EVENT:
        raise ValueError(
            f"event {row.get('name')!r}: unknown key {', '.join(sorted(unknown))}: "
            f"the keys are {', '.join(sorted(_EVENT))}"
        )
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
    """A generator of one sender's requests; the same seed draws the same requests, except for nonces."""

    def __init__(
        self, mix: Mix, *, run: str, name: str, seed: int, envelope: Mapping[str, Any] | None = None
    ) -> None:
        self._mix = mix
        self._run = run
        self._name = name
        self._random = Random(seed)  # noqa: S311 - traffic, not secrets
        # The JSON members of the envelope, which end every payload.
        self._envelope = json.dumps(dict(envelope or {}))[1:-1]
        self._next = 0

    def visit(self) -> "Visit":
        """Return the visit of a new visitor, an endless iterator of requests."""
        return Visit(self, self._random)

    def draw(self, visit: "Visit") -> GeneratedRequest:
        """Draw the next request of a visit; the first is a pageview, if the mix has pageviews."""
        drawn = self._random.randrange(1000)
        if self._mix.pageviews and (visit.pageview == "" or drawn < self._mix.pageviews):
            visit.enter()
            return GeneratedRequest(RequestKind.PAGEVIEW, self._closed('{"t":"p"', visit))
        if self._mix.pageviews <= drawn < self._mix.pageviews + self._mix.bad:
            return self._malformed()
        return self._event(visit)

    def nonce_of(self, request: GeneratedRequest) -> str:
        """Return the nonce of a generated request, as it was sent."""
        return Nonce(self._name, request.number).text(self._run)

    def _event(self, visit: "Visit") -> GeneratedRequest:
        draw = self._random
        [event] = draw.choices(self._mix.events, cum_weights=self._mix.weights)
        nonce = self._nonce()
        pairs = [(key, draw.choice(values)) for key, values in event.properties.items()]
        amount = draw.choice(event.amounts) if event.amounts else ""
        currency = draw.choice(event.currencies) if amount else ""
        kept = [(key, value[:_CHARACTERS]) for key, value in pairs[: _PROPERTIES - 2]]
        fingerprint = checksum(
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
            "mv": [nonce, fingerprint, *(value for _, value in pairs)],
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
        envelope = f",{self._envelope}" if self._envelope else ""
        return f'{head},"s":"{visit.session}","p":"{visit.pageview}"{envelope}}}'.encode()


class Visit:
    """The requests of one tab: a session, and pageviews to which its events are linked (STORE-4)."""

    def __init__(self, generator: EventGenerator, random: Random) -> None:
        self._generator = generator
        self._random = random
        self.session = self._id()
        self.pageview = ""

    def enter(self) -> None:
        """Begin another pageview and, for one in five, another visitor's session."""
        if self._random.random() < 0.2:
            self.session = self._id()
        self.pageview = self._id()

    def __iter__(self) -> Iterator[GeneratedRequest]:
        while True:
            yield self._generator.draw(self)

    def _id(self) -> str:
        return "".join(self._random.choices(_VISIT, k=16))
