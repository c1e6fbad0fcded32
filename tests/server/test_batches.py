"""Limits of a batch: the text it adds to the rollups, and the memory that remains in use."""

from datetime import timedelta

import msgspec
import pytest

from reference_server.storage.rollups import cache_index
from reference_server.storage.schema import encode_row, fitting
from tests.server.reading import NOW, Pen, Sent

NAMES = ["N", 'a","b', "n" * 40_000, "\U0001f389" * 10_000, "\\", '"', "", "\0", '",[']


def _written(text: str) -> bytes:
    """Return a text as rows contain it, without its quotes."""
    return msgspec.json.encode(text)[1:-1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [0, 1, 2, 30])
def test_a_batch_is_bounded_by_its_text_in_the_rollups(name: str, number: int) -> None:
    """The estimate is never below the real cost, whatever the texts; the first row always fits."""
    properties = [(f'k","{each}', 'v",["' * 100) for each in range(number)]
    row = encode_row(Sent(name=name, properties=properties).row("example.com"))
    texts = sum(len(_written(text)) for pair in properties for text in pair)
    cost = 3 * (max(number, 1) * (len(_written(name)) + 30) + texts)
    assert fitting([row] * 10, 1) == 1
    assert fitting([row] * 10, 4 * cost - 1) <= 3 or number == 0
    assert fitting([row] * 10, 4 * (cost + 1000)) >= 4


def test_a_batch_is_of_one_month() -> None:
    """A batch never crosses a month, whatever the names of its rows contain."""
    rows = [
        encode_row(Sent(name=name, at=at).row("example.com"))
        for at in (NOW, NOW + timedelta(days=31))
        for name in NAMES
    ]
    assert fitting(rows, 10**12) == len(NAMES)


def test_long_names_are_not_kept_in_memory(pen: Pen) -> None:
    """Indexes of rollups contain names: a bounded cache holds them, also for tables of earlier versions."""
    pen.client.command("ALTER TABLE rollup_properties RESET SETTING use_primary_key_cache")
    cache_index(pen.client)
    properties = [(f"k{number}", "v") for number in range(30)]
    pen.write(*(Sent(name=f"{number}".ljust(40_000, "n"), properties=properties) for number in range(10)))
    query = "SELECT count() FROM rollup_properties WHERE site = {s:String} AND name > '5'"
    pen.client.query(query, parameters={"s": pen.site})
    query = """SELECT sum(data_uncompressed_bytes), sum(primary_key_bytes_in_memory) FROM system.parts
        WHERE active AND table = 'rollup_properties'"""
    [[text, in_memory]] = pen.client.query(query).result_rows
    assert text > 30_000_000
    assert in_memory < 1_000_000
