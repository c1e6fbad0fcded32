"""Generated requests: drawn from the mix, with a checksum of the expected row."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from conformance.load.fingerprint import Nonce, is_intact, nonce_of, parse
from conformance.load.mix import BadMix, EventGenerator, GeneratedRequest, RequestKind, read
from conformance.protocol.amounts import plain
from conformance.readback import StoredRow

RUN = "cp01"


def shots(number: int, *, mix: Path | None = None, seed: int = 1) -> Iterator[GeneratedRequest]:
    """Return the first requests of a sender."""
    return islice(
        EventGenerator(read(mix), run=RUN, name="a", seed=seed, envelope={"d": "x.org"}).visit(), number
    )


def payloads(number: int) -> list[dict[str, Any]]:
    """Return the events among them, as a server parses them."""
    return [json.loads(s.body, parse_float=Decimal) for s in shots(number) if s.kind is RequestKind.EVENT]


def as_stored(payload: dict[str, Any], **changed: Any) -> StoredRow:
    """Return the documented row of an event, with a change."""
    amount = payload.get("ra")
    row = {
        "type": "custom",
        "name": payload["n"],
        "meta_keys": tuple(payload["mk"][:30]),
        "meta_values": tuple(value[:2000] for value in payload["mv"][:30]),
        "revenue_source_amount": None if amount is None else Decimal(amount),
        "revenue_source_currency": payload.get("rc", "USD") if amount is not None else "",
    }
    return StoredRow(**{**row, **changed})


def test_shares() -> None:
    """Pageviews, malformed requests and events have the shares of the mix, and each kind of event occurs."""
    kinds = Counter(shot.kind for shot in shots(8_000))
    assert kinds[RequestKind.PAGEVIEW] == pytest.approx(1_200, rel=0.1)
    assert kinds[RequestKind.MALFORMED] == pytest.approx(80, rel=0.4)
    names = {payload["n"] for payload in payloads(8_000)}
    assert names == {event.name for event in read().events}


def test_numbers_are_consecutive() -> None:
    """Events and malformed requests are numbered consecutively, as the ledger has a byte for each."""
    numbers = [shot.number for shot in shots(500) if shot.kind is not RequestKind.PAGEVIEW]
    assert numbers == list(range(len(numbers)))
    assert {shot.number for shot in shots(500) if shot.kind is RequestKind.PAGEVIEW} == {-1}


def test_visits() -> None:
    """A visit begins with a pageview; each event has its session and page visit (STORE-4)."""
    bodies = [json.loads(s.body) for s in shots(300) if s.kind is not RequestKind.MALFORMED]
    assert bodies[0]["t"] == "p"
    entered = ("", "")
    for body in bodies:
        if body["t"] == "p":
            entered = (body["s"], body["p"])
        assert (body["s"], body["p"], body["d"]) == (*entered, "x.org")
    assert len({body["s"] for body in bodies}) > 1


def test_same_seed_draws_the_same() -> None:
    """The same seed generates the same requests."""
    assert list(shots(200, seed=3)) == list(shots(200, seed=3))
    assert list(shots(200, seed=3)) != list(shots(200, seed=4))


def test_row_as_documented_is_intact() -> None:
    """Rows within the limits, cut as documented, match the checksum, even if the event exceeded them."""
    events = payloads(8_000)
    assert max(len(event["mk"]) for event in events) == 33
    assert max(len(value) for event in events for value in event["mv"]) == 2001
    assert [event for event in events if not is_intact(as_stored(event))] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "purchase"},
        {"type": "pageview"},
        {"meta_values": ()},
        {"revenue_source_amount": Decimal("49.98")},
        {"revenue_source_amount": None},
        {"revenue_source_currency": "USD"},
        {"revenue_source_currency": None},
    ],
)
def test_changed_row_is_not_intact(changed: dict[str, Any]) -> None:
    """The checksum covers each column."""
    bought = next(p for p in payloads(2_000) if p["n"] == "Purchase" and p.get("rc") == "EUR")
    assert not is_intact(as_stored({**bought, "ra": Decimal("49.99")}, **changed))


def test_values_that_change_places_are_not_intact() -> None:
    """Swapped values do not match the checksum."""
    event = next(p for p in payloads(2_000) if p["n"] == "Form Submit")
    one, two = event["mv"][2:]
    assert is_intact(as_stored(event))
    assert not is_intact(as_stored(event, meta_values=(*event["mv"][:2], two, one)))
    assert not is_intact(as_stored(event, meta_values=(*event["mv"][:2], one + two, "")))


def test_nonces() -> None:
    """A nonce is found in any place, and those of other runs are ignored."""
    assert parse("cp01.ab.17", RUN) == Nonce("ab", 17)
    assert [parse(text, RUN) for text in ("cp02.ab.17", "cp01.17", "cp01.ab.", "cp01x.ab.1")] == [None] * 4
    event = payloads(10)[0]
    turned = as_stored(event, meta_values=tuple(reversed(event["mv"])))
    assert nonce_of(turned, RUN) == parse(event["mv"][0], RUN)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("49.990000000", "49.99"), ("120", "120"), ("1E+3", "1000"), ("-0.50", "-0.5"), ("0.00", "0")],
)
def test_plain_amounts(amount: str, text: str) -> None:
    """An amount has one notation in the checksum, however the database writes it."""
    assert plain(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("event = 1", "mix.toml"),
        ("[[event]]\nname = 'x'", "'weight' is missing"),
        (
            "[[event]]\nname = 'x'\nweight = 1\nprice = 3",
            "unknown key price: the keys are amounts, currencies",
        ),
        ("[[event]]\nname = 'x'\nweight = 1\namounts = ['1.50']", "amount '1.50': write a plain decimal"),
        ("[share]\npageviews = 1000\n[[event]]\nname = 'x'\nweight = 1", "leave room for events"),
    ],
)
def test_bad_mix_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The message about an invalid mix names its file and the fault."""
    place = tmp_path / "mix.toml"
    place.write_text(text)
    with pytest.raises(BadMix, match=r"mix\.toml") as error:
        read(place)
    assert message in str(error.value)
