"""Cost limits of one event, tested on both sides (requirement 1 of docs/run-the-server.md)."""

import gc
import json
import sys
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reference_server.event import KEY_BYTES, NAME_BYTES, Event, EventRow
from reference_server.ingest.decode import decode
from reference_server.ingest.normalise import Rejected, normalise
from reference_server.ingest.rows import Arrival, RowBuilder
from reference_server.ingest.sessions import Sessions
from reference_server.ingest.sites import FoundSites, Sites
from reference_server.web.live_stream import shown

SCRIPTS = {"ASCII": "x", "Latin": "é", "CJK": "文", "astral": "😀", "control": "\x01", "quote": '"'}
scripts = pytest.mark.parametrize("character", SCRIPTS.values(), ids=SCRIPTS.keys())


def read(payload: dict[str, Any], *, escaped: bool = True) -> Event:
    """Return the event of a payload after a round trip through JSON."""
    return normalise(decode(json.dumps({"t": "e", "n": "x", **payload}, ensure_ascii=escaped).encode()))


@scripts
def test_names_of_10000_characters_are_verbatim(character: str) -> None:
    """STORE-1: the script does not matter."""
    name = character * 10_000
    assert (read({"n": name}).name, read({"n": name}, escaped=False).name) == (name, name)


@scripts
def test_the_legal_maximum_is_taken_whole(character: str) -> None:
    """PROP-2, PROP-3: 30 keys and values of 2,000 characters and a name of 10,000 fit into 1 MiB."""
    units = 2 if character == "😀" else 1
    keys, values = [character * 2000] * 30, [character * (2000 // units)] * 30
    payload = {"t": "e", "n": character * 10_000, "mk": keys, "mv": values, "ra": 49.99, "rc": "EUR"}
    assert len(json.dumps(payload, ensure_ascii=False).encode()) < 1024**2
    event = read(payload, escaped=False)
    assert (event.meta_keys, event.meta_values) == (tuple(keys), tuple(values))
    assert event.notes == ()


@pytest.mark.parametrize("character", ["x", "文", "😀"])
@pytest.mark.parametrize(("key", "limit"), [("n", 40_000), ("mk", 8_000)])
def test_one_byte_more_is_refused_by_the_name_of_the_limit(key: str, limit: int, character: str) -> None:
    """A name or a key cannot be cut without changing its meaning."""
    assert (NAME_BYTES, KEY_BYTES) == (40_000, 8_000)
    size = len(character.encode())
    text = character * (limit // size) + "x" * (limit % size)
    fits, more = ({key: each if key == "n" else [each], "mv": ["v"]} for each in (text, f"{text}x"))
    assert text in (read(fits).name, *read(fits).meta_keys)
    with pytest.raises(Rejected, match=f"{key} must have at most {limit:,} bytes"):
        read(more)


def test_keys_that_are_dropped_have_no_limit() -> None:
    """PROP-2: properties after the 30th are ignored."""
    keys = [*(f"k{number}" for number in range(30)), "x" * 100_000, ["x"] * 1000]
    assert read({"mk": keys, "mv": ["v"] * 32}).meta_keys == tuple(keys[:30])


ORDINARY = {
    "t": "e",
    "n": "Purchase",
    "d": "a.example",
    "mk": ["plan", "seats"],
    "mv": ["pro", 5],
    "ra": 49.99,
}
COSTLY: dict[str, str] = {
    "lists of numbers": "[" + "1," * 1999 + "1]",
    "lists of fractions": "[" + "1.5," * 1999 + "1]",
    "lists of exponents": "[" + "1e300," * 1999 + "1]",
    "lists of nothing": "[" + "null," * 1999 + "1]",
    "lists of lists": "[" + "[]," * 1999 + "1]",
    "deep lists": "[" + ("[" * 300 + "]" * 300 + ",") * 10 + "1]",
    "lists of texts": "[" + '"a",' * 1999 + "1]",
    "digits": "9" * 6_000,
    "lone surrogates": '"' + "\\ud800" * 2000 + '"',
    "long texts": '"' + "文" * 4_000 + '"',
}


@pytest.mark.parametrize("value", COSTLY.values(), ids=COSTLY.keys())
def test_a_byte_costs_no_more_than_in_an_ordinary_event(value: str) -> None:
    """Thirty of the costliest values need no more calls per byte than an ordinary event."""
    keys = ",".join(f'"k{number}"' for number in range(30))
    hostile = f'{{"t":"e","n":"x","mk":[{keys}],"mv":[{",".join([value] * 30)}]}}'.encode()
    ordinary = json.dumps(ORDINARY).encode()
    assert calls(hostile) / len(hostile) < calls(ordinary) / len(ordinary)


def calls(body: bytes) -> int:
    """Return the number of calls, of Python and C functions, that reading a body takes."""
    number = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        normalise(decode(body))
    finally:
        sys.setprofile(before)
    return number


def arrival(number: int) -> Arrival:
    """Return a request with unique headers and addresses of maximum length."""
    long = f"{number}" + "😀" * 2000
    return Arrival(
        body=b"",
        received=datetime.now(UTC),
        ip=f"192.0.2.{number % 250}",
        user_agent=long[:2000],
        origin=f"https://{number}.example/{long}"[:2000],
        referer=f"https://{number}.example/{long}"[:2000],
        host=f"{number}.example",
    )


def test_nothing_is_kept_of_what_senders_send(tmp_path: Path) -> None:
    """Two thousand requests with 40 MB of different headers and addresses leave less than 2 MB."""
    with closing(FoundSites(tmp_path, most=10)) as found, closing(Sessions(tmp_path, b"s" * 32)) as sessions:
        ingest = RowBuilder(sites=Sites(["a.example"]), found=found, sessions=sessions)
        payload = {"t": "e", "n": "x", "s": "s1"}

        def send(number: int) -> None:
            url = f"https://a.example/{number}" + "😀" * 990
            ingest.take({**payload, "u": url, "r": url}, arrival(number))
            unknown = f"{number}.{'ü' * 20}.example"
            ingest.take({**payload, "d": unknown}, arrival(number))

        send(0)
        tracemalloc.start()
        try:
            for number in range(1000):
                send(number)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 2 * 1024**2


def test_every_amount_is_shown_digit_by_digit() -> None:
    """REV-1: the live view never rounds."""
    for text in ("99999999999999999999.999999999", "-0.000000001", "100", "0", "10.5"):
        row = EventRow(
            "a", datetime.now(UTC), "custom", "x", "", "", "", "", "", "", (), (), Decimal(text), "EUR"
        )
        assert shown({}, row, ())["stored"]["revenue_source_amount"] == text


def test_an_event_of_one_site_too_many_is_dropped_and_reported(tmp_path: Path) -> None:
    """A sender can invent domains at no cost; registered ones are not limited."""
    with closing(FoundSites(tmp_path, most=1)) as found, closing(Sessions(tmp_path, b"s" * 32)) as sessions:

        def notes(site: str, *registered: str) -> tuple[str, ...]:
            ingest = RowBuilder(sites=Sites(registered), found=found, sessions=sessions)
            row, told = ingest.take({"t": "e", "n": "x", "d": site}, arrival(1))
            assert (row is None) == bool(told)
            return tuple(note.text for note in told)

        assert notes("a.example") == ()
        assert notes("b.example") == ("1 unregistered sites are the limit: event dropped",)
        assert notes("b.example", "b.example") == ()
